// Writes the platform package of this machine's processor, ready for `npm publish`: the prebuilt native part that the loader falls back to.
//   node scripts/pack-platform.mjs DIRECTORY
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const packageRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { name, version, license, engines } = JSON.parse(fs.readFileSync(path.join(packageRoot, 'package.json'), 'utf8'));
const target = process.argv[2];
if (target === undefined) {
  console.error('pack-platform: a directory is wanted');
  process.exit(1);
}

fs.mkdirSync(target, { recursive: true });
const files = ['dray', 'dray_libcontainer.node', 'bin'];
for (const file of files) fs.cpSync(path.join(packageRoot, 'build', file), path.join(target, file), { recursive: true, dereference: true });
fs.copyFileSync(path.join(packageRoot, 'LICENSE'), path.join(target, 'LICENSE'));
const platformName = `${name}-${process.platform}-${process.arch}`;
fs.writeFileSync(path.join(target, 'package.json'), `${JSON.stringify({
  name: platformName, version, license, engines,
  description: `The native part of ${name} for ${process.platform} on ${process.arch}`,
  os: [process.platform], cpu: [process.arch], libc: ['glibc'], files,
}, null, 2)}\n`);
console.log(`${platformName}@${version} is in ${target}`);
