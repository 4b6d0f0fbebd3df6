// Regenerates src/gen/ from proto/: `npm run generate`. The output is committed; a second run must leave no diff.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const gen = join(root, 'src/gen');

rmSync(gen, { recursive: true, force: true });
for (const template of ['buf.gen.grpc.yaml', 'buf.gen.ttrpc.yaml']) {
  execFileSync('buf', ['generate', '--template', template], { cwd: root, stdio: 'inherit' });
}

// Only options of the .proto files use these two; no message on the wire does.
rmSync(join(gen, 'google/protobuf/descriptor.ts'));
rmSync(join(gen, 'types/fieldpath.ts'));

// ts-proto copies each encoded message into a Buffer for gRPC: a Buffer over the same memory does as well. It also wants
// requests to be whole messages: callers may leave fields out.
for (const file of globSync('**/*.ts', { cwd: gen })) {
  const path = join(gen, file);
  const source = readFileSync(path, 'utf8');
  const shared = source
    .replaceAll(/Buffer\.from\((\w+\.encode\(value\)\.finish\(\))\)/g, 'bufferOver($1)')
    .replaceAll(
      /requestSerialize: \(value: (\w+)\): Buffer =>\s+bufferOver\(\w+\.encode\(value\)\.finish\(\)\)/g,
      'requestSerialize: (value: DeepPartial<$1>): Buffer => bufferOver($1.encode($1.fromPartial(value)).finish())',
    );
  if (shared === source) continue;
  const importPath = relative(dirname(path), join(root, 'src/buffer-over.ts'));
  writeFileSync(path, shared.replace(/^import /m, `import { bufferOver } from "${importPath}";\nimport `));
}
