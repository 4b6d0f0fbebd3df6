import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { dockerCli, until } from '../support/engine.ts';
import { engineForFile, missing as missingEngine } from '../support/fixture.ts';

const missing = missingEngine ?? (fs.existsSync('/usr/bin/tmux') ? undefined : "Debian's tmux is not installed");

describe.skipIf(missing !== undefined)(`docker run -it in a real terminal${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();
  let server = 0;
  const socket = (): string => `${engine.current.folder}/tmux-${String(server)}`;
  const tmux = (...args: string[]): string => execFileSync('tmux', ['-S', socket(), '-f', '/dev/null', ...args], { encoding: 'utf8' });
  const screen = (): string => tmux('capture-pane', '-p', '-t', 'main');
  const shows = (text: string | RegExp): Promise<void> => until(() => (typeof text === 'string' ? screen().includes(text) : text.test(screen())), `the terminal shows ${String(text)}; it shows:\n${screen()}`);
  const open = (command: string): void => {
    server += 1;
    tmux('new-session', '-d', '-s', 'main', '-x', '100', '-y', '30', `DOCKER_HOST=${engine.current.host} ${dockerCli} ${command}; echo "status $?"; sleep 1000`);
  };
  afterEach(() => {
    tmux('kill-server');
  });

  it('gives a shell with the size of the terminal, which follows a resize', async () => {
    open('run --rm -it --name term busybox sh');
    await shows('/ #');
    tmux('send-keys', '-t', 'main', 'stty size; tty', 'Enter');
    await shows('30 100');
    await shows('/dev/pts/0');
    tmux('resize-window', '-t', 'main', '-x', '120', '-y', '40');
    await until(async () => (await engine.current.docker('exec', 'term', 'sh', '-c', 'stty size < /dev/console')).stdout.trim() === '40 120', 'the console has the new size');
    tmux('send-keys', '-t', 'main', 'exit 5', 'Enter');
    await shows('status 5');
  });

  it('sends Ctrl-C to the process', async () => {
    open('run --rm -it busybox sh -c "sleep 1000; echo not reached"');
    await until(async () => (await engine.current.ok('ps', '-q')) !== '', 'the container runs');
    tmux('send-keys', '-t', 'main', 'C-c');
    await shows('status 130');
  });

  it('detaches with Ctrl-P Ctrl-Q and leaves the container running; attach comes back', async () => {
    open('run -it --name detached busybox sh');
    await shows('/ #');
    tmux('send-keys', '-t', 'main', 'C-p');
    tmux('send-keys', '-t', 'main', 'C-q');
    await shows('status 0');
    expect(await engine.current.ok('inspect', '-f', '{{.State.Running}}', 'detached')).toBe('true');
    tmux('kill-server');
    open('attach detached');
    tmux('send-keys', '-t', 'main', 'echo again-$((40+2))', 'Enter');
    await shows('again-42');
    await engine.current.ok('rm', '-f', 'detached');
  });

  it('gives exec a terminal of its own', async () => {
    await engine.current.ok('run', '-d', '--name', 'host', 'busybox', 'sleep', '1000');
    open('exec -it host sh');
    await shows('/ #');
    tmux('send-keys', '-t', 'main', 'stty size; exit 6', 'Enter');
    await shows('30 100');
    await shows('status 6');
    await engine.current.ok('rm', '-f', 'host');
  });
});
