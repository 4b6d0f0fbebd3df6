// Loaded into every Node process of the engine by `node --import` (see trace.mjs): notes what crosses the seams, from outside, with no code in the packages.
// HTTP and gRPC by Node's diagnostics channels, ttrpc by the frames on its sockets, file and native calls by wrapping them. One JSON line per event.
import diagnostics from 'node:diagnostics_channel';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { performance } from 'node:perf_hooks';

/** Calls shorter than this are only noise, in milliseconds. */
const CALL_MS_MIN = 0.15;

const program = path.basename(process.argv[1] ?? 'node').replace(/\.m?js$/, '');
const output = fs.openSync(process.env.DRAY_TRACE, 'a');
const { writeSync } = fs;
const now = () => performance.timeOrigin + performance.now();
const note = (at, what, ms) => void writeSync(output, `${JSON.stringify({ at, program, pid: process.pid, what, ms })}\n`);
const span = (what) => {
  const start = now();
  return () => { note(start, what, now() - start); };
};

note(performance.timeOrigin, 'process starts');

const open = new WeakMap();
const short = (text) => text.replace(/\b[0-9a-f]{64}\b/g, (id) => `${id.slice(0, 6)}…`);
const begins = (channel, keyOf, nameOf) => diagnostics.subscribe(channel, (message) => { open.set(keyOf(message), span(nameOf(message))); });
const ends = (channel, keyOf) => diagnostics.subscribe(channel, (message) => {
  const key = keyOf(message);
  open.get(key)?.();
  open.delete(key);
});
begins('http.server.request.start', ({ request }) => request, ({ request }) => `http ${request.method} ${short(request.url)}`);
ends('http.server.response.finish', ({ request }) => request);
begins('http2.client.stream.created', ({ stream }) => stream, ({ headers }) => `grpc → ${grpcName(headers)}`);
ends('http2.client.stream.close', ({ stream }) => stream);
begins('http2.server.stream.start', ({ stream }) => stream, ({ headers }) => `grpc ← ${grpcName(headers)}`);
ends('http2.server.stream.close', ({ stream }) => stream);

function grpcName(headers) {
  const name = Array.isArray(headers) ? headers[headers.indexOf(':path') + 1] : headers?.[':path'];
  return String(name).replace(/^.*services\.|\.v1/g, '');
}

// ttrpc: a frame is length, stream (both 32 bit, big endian), type (1 request, 2 response), flags; a request begins with its service and method.
const calls = new WeakMap();
function frames(socket, chunk, isOut) {
  const buffer = Buffer.isBuffer(chunk) ? chunk : chunk instanceof Uint8Array ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : undefined;
  for (let at = 0; buffer !== undefined && at + 10 <= buffer.length; at += 10 + buffer.readUInt32BE(at)) {
    const [stream, type] = [buffer.readUInt32BE(at + 4), buffer[at + 8]];
    if (buffer[at] !== 0 || buffer[at + 9] > 8) return;
    const ofSocket = calls.get(socket) ?? calls.set(socket, new Map()).get(socket);
    if (type === 1 && buffer[at + 10] === 0x0a) {
      const service = text(buffer, at + 10);
      const method = text(buffer, service.end);
      ofSocket.set(stream, span(`ttrpc ${isOut ? '→' : '←'} ${service.value.replace(/^.*\./, '')}/${method.value}`));
    } else if (type === 2) {
      ofSocket.get(stream)?.();
      ofSocket.delete(stream);
    }
  }
}
function text(buffer, at) {
  const end = at + 2 + (buffer[at + 1] ?? 0);
  return { value: buffer.toString('utf8', at + 2, end), end };
}
const { write, push } = net.Socket.prototype;
net.Socket.prototype.write = function (chunk, ...rest) {
  if (this.encrypted !== true) frames(this, chunk, true);
  return write.call(this, chunk, ...rest);
};
net.Socket.prototype.push = function (chunk, ...rest) {
  if (chunk !== null) frames(this, chunk, false);
  return push.call(this, chunk, ...rest);
};

function timed(name, call, self) {
  return Object.assign(function (...args) {
    const start = now();
    const done = () => {
      const ms = now() - start;
      if (ms >= CALL_MS_MIN) note(start, `${name}(${args.slice(0, 2).map(brief).join(', ')})`, ms);
    };
    let result;
    try {
      result = call.apply(self ?? this, args);
    } catch (error) {
      done();
      throw error;
    }
    if (typeof result?.then === 'function') result.then(done, done);
    else done();
    return result;
  }, call);
}
function brief(value) {
  if (typeof value === 'string') return short(value.length > 90 ? `…${value.slice(-60)}` : value);
  return typeof value === 'number' ? String(value) : value?.kind ?? typeof value;
}
for (const name of Object.keys(fs)) if (name.endsWith('Sync') && name !== 'writeSync') fs[name] = timed(`fs.${name}`, fs[name], fs);
for (const name of Object.keys(fs.promises)) if (typeof fs.promises[name] === 'function') fs.promises[name] = timed(`fs.promises.${name}`, fs.promises[name], fs.promises);
syncBuiltinESMExports();

const { dlopen } = process;
process.dlopen = function (module, ...rest) {
  const result = dlopen.call(process, module, ...rest);
  for (const [name, value] of Object.entries(module.exports)) if (typeof value === 'function' && !/^class/.test(String(value))) module.exports[name] = timed(`native ${name}`, value);
  return result;
};
