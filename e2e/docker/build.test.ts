import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, type Finished } from '../support/command.ts';
import { dockerCli, until } from '../support/engine.ts';
import { engineForFile, missing } from '../support/fixture.ts';
import { missingForPeer, startPeer, type Peer } from '../support/peer.ts';
import { describeTree } from '../support/tree.ts';

interface Target { readonly folder: string; readonly host: string; ok(...args: string[]): Promise<string> }
type Files = Readonly<Record<string, string>>;

const CLASSIC = { DOCKER_BUILDKIT: '0', DOCKER_CLI_HINTS: 'false' };
let contexts = 0;

/** Runs the classic `docker build` of a context. */
async function build(target: Target, files: Files, args: string[] = []): Promise<Finished> {
  return run(dockerCli, ['build', ...args, context(target, files)], { env: { ...process.env, ...CLASSIC, DOCKER_HOST: target.host, DOCKER_CONFIG: path.join(target.folder, 'client') } });
}

/** A name ending in `/` is a folder, `-> ` begins a link's target, `#!` a program's text. Times are fixed. */
function context(target: Target, files: Files): string {
  const folder = path.join(target.folder, `context-${++contexts}`);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true });
    if (name.endsWith('/')) continue;
    if (content.startsWith('-> ')) fs.symlinkSync(content.slice(3), file);
    else fs.writeFileSync(file, name.endsWith('.tgz') ? Buffer.from(content, 'base64') : content, { mode: content.startsWith('#!') ? 0o755 : 0o644 });
  }
  execFileSync('find', [folder, '-exec', 'touch', '-hd', '@1700000000', '{}', '+']);
  return folder;
}

/** What both engines must agree on. */
async function describeImage(target: Target, image: string): Promise<Record<string, unknown>> {
  const [inspected] = JSON.parse(await target.ok('image', 'inspect', image)) as { Config: Record<string, unknown>; Author: string; Architecture: string; Os: string }[];
  const history = (await target.ok('history', '--no-trunc', '--format', '{{json .CreatedBy}}', image)).split('\n');
  const id = await target.ok('create', image, 'none');
  const tree = path.join(target.folder, `tree-${++contexts}`);
  fs.mkdirSync(tree);
  await target.ok('export', '-o', `${tree}.tar`, id);
  execFileSync('tar', ['-C', tree, '--numeric-owner', '-xpf', `${tree}.tar`]);
  await target.ok('rm', '-v', id);
  const config = Object.fromEntries(Object.entries(inspected?.Config ?? {}).filter(([key, value]) => key !== 'Image' && value !== null && value !== '' && value !== false));
  return { config, history, author: inspected?.Author, platform: `${inspected?.Os ?? ''}/${inspected?.Architecture ?? ''}`, tree: withoutTimes(describeTree(tree)) };
}

/** What comes from a context or the base image has its time still; what a step makes has the time of the step. */
const withoutTimes = (tree: string): string[] => tree.split('\n').map((line) => line.replaceAll(/\b(?!1700000000)\d{19}\b/g, 'TIME'));

/** The lines of a build with ids masked; Debian's dockerd words one of them as later ones do not. */
const masked = (output: string): string => output.replaceAll(/\b[0-9a-f]{12}\b/g, 'ID').replaceAll(/sha256:[0-9a-f]{64}/g, 'sha256:ID').replaceAll('Removing intermediate', 'Removed intermediate').replace(/^Sending build context.*$/m, '');

const ARCHIVE = execFileSync('sh', ['-c', 'd=$(mktemp -d); cd $d; mkdir in; echo inner > in/file; tar --owner=5 --group=6 --mtime=@1700000000 -czf - in | base64 -w0; rm -r $d'], { encoding: 'utf8' });

const CASES: readonly { readonly name: string; readonly files: Files; readonly args?: string[]; readonly dockerfile?: string }[] = [
  { name: 'metadata of every kind', files: { Dockerfile: `FROM busybox
MAINTAINER Somebody <some@body>
ENV A=b C="d e" E='$A' F=g\\ h
env X y  z
LABEL "a b"=c d='e' multi="one \\
two"
EXPOSE 80 53/udp 8080-8082
VOLUME /data /more
VOLUME ["/v1", "/v 2"]
USER nobody
STOPSIGNAL SIGTERM
SHELL ["/bin/sh", "-e", "-c"]
CMD echo "hi"
ENTRYPOINT ["/bin/echo"]
HEALTHCHECK --interval=1m30s --timeout=2s --start-period=500ms --retries=3 CMD ["true"]
ONBUILD RUN echo later
` }, args: ['--label', 'from=cli', '--label', 'and=$A'] },
  { name: 'build arguments and their scopes', files: { Dockerfile: `ARG TAG=latest
ARG UNUSED
FROM busybox:\${TAG} AS one
ARG TAG
ARG WITH=default
ENV GOT=$TAG-\${WITH}-\${UNUSED:-none}
RUN echo "$WITH" > /with; env | grep -v HOSTNAME | sort > /env
FROM one
RUN echo "[$WITH]" > /without
ARG http_proxy
RUN echo $http_proxy > /proxy
` }, args: ['--build-arg', 'WITH=given', '--build-arg', 'http_proxy=http://p', '--build-arg', 'STRAY=1'] },
  { name: 'copies of files, folders, links and patterns', files: {
    Dockerfile: `FROM busybox
RUN mkdir -p /exists /real && chmod 777 /exists && chown 5:5 /exists && ln -s /real /link
COPY src /exists
COPY src /new/deep/
COPY top /exists
COPY top /link
COPY top /link/renamed
COPY alias /via-alias
COPY . /all/
COPY t?p *.txt /patterns/
COPY --chown=www-data:audio src /owned/by/
COPY --chown=7:8 top /owned/file
COPY ["top", "/with space/"]
WORKDIR /work
COPY top .
COPY top ../up
ENV DIR=/variable
COPY top \${DIR}/x$DIR
`, 'src/deep/x': 'x', 'src/abs': '-> /etc/passwd', 'src/dangling': '-> nowhere', 'src/rel': '-> deep/x', 'src/empty/': '', top: '#!/bin/sh\n', alias: '-> top', 'a.txt': 'a', 'b.txt': 'b',
  } },
  { name: 'archives of ADD', files: { Dockerfile: 'FROM busybox\nADD a.tgz /unpacked\nADD --chown=3:4 a.tgz plain /both/\nCOPY a.tgz /kept/\n', 'a.tgz': ARCHIVE, plain: 'no archive' } },
  { name: 'stages', files: { Dockerfile: `FROM scratch AS data
COPY d /data
FROM busybox AS made
RUN mkdir -p /l/m && ln -s nowhere /l/n && echo hi > /l/x && chmod 4755 /l/x && chown 12:34 /l/x /l/m
FROM busybox
COPY --from=data /data/ /data2/
COPY --from=made /l /l
COPY --from=1 /l/x /one
COPY --from=made --chown=1:2 /l /owned
COPY --from=busybox /etc/passwd /passwd
RUN rm -rf /data2/h /home && mkdir /home && mknod /fifo p && ln /passwd /hard
`, 'd/h': 'h' } },
  { name: 'triggers', files: { Dockerfile: 'FROM busybox AS base\nENV A=1\nONBUILD COPY f /f\nONBUILD RUN cat /f > /g\nFROM base\nENV B=2\nFROM base AS third\nCMD c\n', f: 'triggered' } },
  { name: 'scratch alone', files: { Dockerfile: 'FROM scratch\nENV A=1\nWORKDIR /w\nCOPY f .\nCMD ["/w/f"]\n', f: 'f' } },
  { name: 'a target before the end', files: { Dockerfile: 'FROM busybox AS first\nRUN echo 1 > /1\nENTRYPOINT sh -c x\nFROM first\nRUN echo 2 > /2\n' }, args: ['--target', 'first', '--label', 'l=1'] },
  { name: 'a Dockerfile elsewhere, comments, escapes and working folders', files: { 'sub/Other': `# escape=\`

# a comment
FROM busybox
RUN echo a ` + '`' + `
  # inside
  && echo b > /b
WORKDIR rel
WORKDIR sub
WORKDIR ../../abs
RUN pwd > /pwd; echo err >&2
HEALTHCHECK CMD true
HEALTHCHECK NONE
`, '.dockerignore': 'sub\n', kept: 'k' }, dockerfile: 'sub/Other' },
];

describe.skipIf(missing !== undefined || missingForPeer !== undefined)(`docker build${missing ?? missingForPeer ? ` (skipped: ${missing ?? missingForPeer ?? ''})` : ''} gives what dockerd gives of`, () => {
  const engine = engineForFile();
  let peer: Peer;
  beforeAll(async () => {
    peer = await startPeer();
    await peer.ok('load', '-q', '-i', path.join(engine.current.folder, 'busybox-latest.tar'));
  });
  afterAll(async () => {
    await peer?.[Symbol.asyncDispose]();
  });

  it.each(CASES)('$name', async ({ files, args = [], dockerfile }) => {
    const results = [];
    for (const target of [peer, engine.current]) {
      const elsewhere = dockerfile === undefined ? [] : ['-f', path.join(target.folder, `context-${contexts + 1}`, dockerfile)];
      const finished = await build(target, files, ['-t', 'compared', ...elsewhere, ...args]);
      expect(finished.code, finished.stderr).toBe(0);
      results.push({ output: masked(finished.stdout), image: await describeImage(target, 'compared') });
      await target.ok('rmi', '-f', 'compared');
    }
    expect(results[1]).toEqual(results[0]);
  });
});

describe.skipIf(missing !== undefined)(`docker build${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();
  const failing = async (files: Files, args: string[] = []): Promise<{ code: number | null; text: string }> => {
    const before = await state();
    const finished = await build(engine.current, files, ['--force-rm', ...args]);
    expect(await state()).toEqual(before);
    return { code: finished.code, text: finished.stderr };
  };
  const state = async (): Promise<unknown> => [await engine.current.ok('images', '-aq', '--no-trunc'), await engine.current.ok('ps', '-aq'), fs.readdirSync(path.join(engine.current.dataRoot, 'tmp'))];

  it('takes what it has built before from its cache, also after a restart, until it is pruned', async () => {
    const files = { Dockerfile: 'FROM busybox\nRUN echo made > /made\nCOPY f /f\nRUN echo more > /more\n', f: '1' };
    const first = await build(engine.current, files, ['-t', 'cached:1']);
    expect(first.stdout).not.toContain('Using cache');
    const again = await build(engine.current, files, ['-t', 'cached:2']);
    expect(again.stdout.split('---> Using cache')).toHaveLength(4);
    expect(await engine.current.ok('inspect', '-f', '{{.Id}}', 'cached:2')).toBe(await engine.current.ok('inspect', '-f', '{{.Id}}', 'cached:1'));
    expect((await build(engine.current, { ...files, f: '2' })).stdout.split('---> Using cache')).toHaveLength(2);
    expect((await build(engine.current, files, ['--no-cache'])).stdout).not.toContain('Using cache');
    const pid = engine.current.daemonPid();
    process.kill(pid, 'SIGTERM');
    await until(() => !fs.existsSync(`/proc/${pid}`), 'the daemon ends');
    await engine.current.restart();
    expect((await build(engine.current, files)).stdout).toContain('---> Using cache');
    expect(await engine.current.ok('builder', 'prune', '-af')).toMatch(/Deleted build cache objects:\nsha256:/);
    expect(await engine.current.ok('builder', 'prune', '-af')).toBe('Total reclaimed space: 0B');
    expect((await build(engine.current, files)).stdout).not.toContain('Using cache');
    expect(await engine.current.ok('run', '--rm', 'cached:1', 'cat', '/made', '/f', '/more')).toBe('made\n1more');
  });

  it('tells a quiet build\'s id alone, tags by every name and writes the id file', async () => {
    const idFile = path.join(engine.current.folder, 'id');
    const { stdout } = await build(engine.current, { Dockerfile: 'FROM busybox\nRUN echo quiet' }, ['-q', '-t', 'quiet:a', '-t', 'quiet:b', '--iidfile', idFile]);
    expect(stdout.trim()).toMatch(/^sha256:[0-9a-f]{64}$/);
    for (const name of ['quiet:a', 'quiet:b']) expect(await engine.current.ok('inspect', '-f', '{{.Id}}', name)).toBe(stdout.trim());
    expect((await build(engine.current, { Dockerfile: 'FROM busybox\nRUN echo told; exit 4' }, ['-q', '--force-rm'])).stderr).toContain('returned a non-zero code: 4');
  });

  it('takes here-documents and --chmod, which the classic builder of old refuses', async () => {
    const { code, stderr } = await build(engine.current, { Dockerfile: 'FROM busybox\nENV A=value\nRUN <<EOF\necho one > /one\necho $A >> /one\nEOF\nCOPY <<A.txt <<"B" /docs/\n$A\nA.txt\n$A\nB\nCOPY --chmod=600 f /f\n', f: 'f' }, ['-t', 'heredocs']);
    expect(code, stderr).toBe(0);
    expect(await engine.current.ok('run', '--rm', 'heredocs', 'sh', '-c', 'cat /one /docs/A.txt /docs/B; stat -c %a /f')).toBe('one\nvalue\nvalue\n$A\n600');
  });

  it('fetches what ADD names by URL', async () => {
    const server = http.createServer((request, response) => {
      if (request.url === '/dir/fetched.txt') response.writeHead(200, { 'Last-Modified': 'Tue, 14 Nov 2023 22:13:20 GMT' }).end('from afar');
      else response.writeHead(404).end('gone');
    });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    try {
      expect((await build(engine.current, { Dockerfile: `FROM busybox\nADD ${url}/dir/fetched.txt /in/\n` }, ['-t', 'fetched'])).code).toBe(0);
      expect(await engine.current.ok('run', '--rm', 'fetched', 'sh', '-c', 'cat /in/fetched.txt; stat -c " %a %Y" /in/fetched.txt')).toBe('from afar 600 1700000000');
      expect((await failing({ Dockerfile: `FROM busybox\nADD ${url}/none /x\n` })).text).toContain(`ADD failed: failed to GET ${url}/none with status 404 Not Found: gone`);
    } finally {
      server.close();
    }
  });

  it.each([
    ['an unknown instruction', { Dockerfile: 'FROM busybox\nFOO bar\n' }, [], 'dockerfile parse error on line 2: unknown instruction: FOO', 1],
    ['a command that fails', { Dockerfile: 'FROM busybox\nRUN exit 3\n' }, [], "The command '/bin/sh -c exit 3' returned a non-zero code: 3", 3],
    ['a file that is not there', { Dockerfile: 'FROM busybox\nCOPY absent /x\n' }, [], 'COPY failed: file not found in build context or excluded by .dockerignore: stat absent: file does not exist', 1],
    ['a path outside', { Dockerfile: 'FROM busybox\nCOPY ../x /x\n' }, [], 'COPY failed: forbidden path outside the build context: ../x ()', 1],
    ['a link that leads outside', { Dockerfile: 'FROM busybox\nCOPY out /x\n', out: '-> ../../../../../../etc/hostname' }, [], 'COPY failed: file not found in build context or excluded by .dockerignore: stat out: file does not exist', 1],
    ['a target that is not there', { Dockerfile: 'FROM busybox\n' }, ['--target', 'none'], 'failed to reach build target none in Dockerfile', 1],
    ['a program that is not there', { Dockerfile: 'FROM busybox\nRUN ["absent"]\n' }, [], 'exec: "absent": executable file not found in $PATH', 1],
    ['an image that cannot be', { Dockerfile: 'FROM UPPER\n' }, [], 'invalid reference format', 1],
    ['an option of BuildKit\'s', { Dockerfile: 'FROM busybox\nRUN --mount=type=cache,target=/x true\n' }, [], 'the --mount option requires BuildKit', 1],
    ['squash', { Dockerfile: 'FROM busybox\n' }, ['--squash'], 'squash', 1],
  ] as const)('refuses %s in Docker\'s words and leaves nothing behind', async (_name, files, args, message, code) => {
    const failed = await failing(files, [...args]);
    expect(failed.text).toContain(message);
    expect(failed.code).toBe(code);
  });

  it('answers a context without Dockerfile, and BuildKit\'s version, with errors of their own', async () => {
    const empty = execFileSync('tar', ['-cf', '-', '-T', '/dev/null']);
    expect(await post(engine.current.socket, '/build', empty)).toEqual({ status: 500, body: '{"message":"Cannot locate specified Dockerfile: Dockerfile"}\n' });
    expect((await post(engine.current.socket, '/build?version=2', empty)).status).toBe(501);
    expect((await post(engine.current.socket, '/build', Buffer.from('this is no tar at all, and long enough to be looked at'.repeat(20)))).status).toBe(400);
    expect((await post(engine.current.socket, '/build?buildargs=x', empty)).status).toBe(400);
    expect((await post(engine.current.socket, '/build/cancel', Buffer.alloc(0))).status).toBe(400);
  });

  it('warns of build arguments that nobody declared', async () => {
    const { stdout } = await build(engine.current, { Dockerfile: 'FROM busybox\nARG KNOWN\nRUN true\n' }, ['--build-arg', 'STRAY=1', '--build-arg', 'KNOWN=2']);
    expect(stdout).toContain('[Warning] One or more build-args [STRAY] were not consumed');
  });

  it('is cancelled when its client goes away, and leaves no container', async () => {
    const folder = context(engine.current, { Dockerfile: 'FROM busybox\nRUN echo running; sleep 600\n' });
    const before = await state();
    const client = spawn(dockerCli, ['build', '--no-cache', folder], { env: { ...process.env, ...CLASSIC, DOCKER_HOST: engine.current.host, DOCKER_CONFIG: path.join(engine.current.folder, 'client') }, stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise<void>((resolve) => {
      let seen = '';
      client.stdout.on('data', (chunk: Buffer) => {
        seen += chunk.toString();
        if (seen.includes('\nrunning\n')) resolve();
      });
    });
    client.kill('SIGKILL');
    await until(async () => (await engine.current.ok('ps', '-aq')) === '' && fs.readdirSync(path.join(engine.current.dataRoot, 'tmp')).length === 0, 'the build is gone');
    expect(await state()).toEqual(before);
  });
});

function post(socketPath: string, url: string, body: Uint8Array): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    http.request({ socketPath, path: url, method: 'POST', agent: false, headers: { 'Content-Type': 'application/x-tar', 'Content-Length': body.length } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    }).on('error', reject).end(body);
  });
}
