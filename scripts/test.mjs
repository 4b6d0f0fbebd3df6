// npm test: install, build, run every suite, end with the line "N passed, N failed, N skipped".
//   npm test -- packages/shim e2e/docker    runs only the suites under these folders
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { build, install, root } from './setup.mjs';

/** What the end-to-end and component tests need of Debian; each test that misses one of them says so and is skipped. */
const debianPackages = {
  'docker.io': '/usr/bin/dockerd', containerd: '/usr/bin/containerd', runc: '/usr/sbin/runc', crun: '/usr/bin/crun', skopeo: '/usr/bin/skopeo',
  umoci: '/usr/bin/umoci', 'docker-registry': '/usr/bin/docker-registry', 'busybox-static': '/bin/busybox', iproute2: '/sbin/ip', iptables: '/usr/sbin/iptables',
  nftables: '/usr/sbin/nft', tmux: '/usr/bin/tmux', openssl: '/usr/bin/openssl', curl: '/usr/bin/curl', attr: '/usr/bin/setfattr', gcc: '/usr/bin/gcc',
  'libseccomp-dev': '/usr/include/seccomp.h', debootstrap: '/usr/sbin/debootstrap',
};

function installDebianPackages() {
  const missing = Object.entries(debianPackages).filter(([, file]) => !fs.existsSync(file)).map(([name]) => name);
  if (missing.length === 0) return;
  if (process.getuid() !== 0 || !fs.existsSync('/usr/bin/apt-get')) {
    console.log(`dray: not installed, so some tests will be skipped: ${missing.join(' ')}`);
    return;
  }
  console.log(`dray: installing ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env };
  spawnSync('apt-get', ['-qq', 'update'], quiet);
  spawnSync('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...missing], quiet);
}

/** Runs one folder's vitest and returns what it counted; a suite that could not even be loaded counts as a failure. */
function runSuite(folder) {
  const report = path.join(root, 'node_modules', `.dray-report-${folder.replaceAll('/', '-')}.json`);
  fs.rmSync(report, { force: true });
  console.log(`\n== ${folder}`);
  const result = spawnSync(path.join(root, 'node_modules/.bin/vitest'), ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, '--passWithNoTests'], {
    cwd: path.join(root, folder), stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${path.join(root, 'node_modules/.bin')}:${process.env.PATH}`, NODE_OPTIONS: '' },
  });
  if (!fs.existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const json = JSON.parse(fs.readFileSync(report, 'utf8'));
  const brokenSuites = json.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.every((test) => test.status !== 'failed')).length;
  const failed = json.numFailedTests + brokenSuites;
  return { passed: json.numPassedTests, failed: failed === 0 && result.status !== 0 ? 1 : failed, skipped: json.numPendingTests + json.numTodoTests };
}

install();
installDebianPackages();
build({ quiet: true });

const all = [...fs.readdirSync(path.join(root, 'packages')).map((name) => `packages/${name}`), 'e2e'];
const wanted = process.argv.slice(2).map((folder) => folder.replace(/\/$/, ''));
const suites = all.filter((folder) => wanted.length === 0 || wanted.includes(folder));
const total = { passed: 0, failed: 0, skipped: 0 };
const rows = [];
for (const folder of suites) {
  const counted = runSuite(folder);
  rows.push(`${folder}: ${counted.passed} passed, ${counted.failed} failed, ${counted.skipped} skipped`);
  for (const key of Object.keys(total)) total[key] += counted[key];
}
console.log(`\n${rows.map((row) => `  ${row}`).join('\n')}\n`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
