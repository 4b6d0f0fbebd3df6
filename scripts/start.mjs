// npm start: install, build, start the engine, run a container from the built-in image. Needs no network once dependencies are installed.
import { build, install, node, root, run } from './setup.mjs';

if (process.platform !== 'linux') {
  console.error('dray: the engine runs Linux containers and needs a Linux kernel');
  process.exit(1);
}
if (process.getuid() !== 0) {
  console.error('dray: the engine needs root: run "sudo npm start"');
  process.exit(1);
}
install();
build({ quiet: true });
run(node(), [`${root}/packages/engine/bin/dray-engine.mjs`, 'tour']);
