// A process that receives notifications on as many ports as it is asked for. It reads just enough of HTTP to tell one
// request from the next, because a receiver on node:http costs as much CPU as the client that is measured.
import net from 'node:net';
import { answerParent } from './answer-parent.mjs';

const NO_CONTENT = Buffer.from(
  'HTTP/1.1 204 No Content\r\nServer: bench\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\nConnection: keep-alive\r\n\r\n',
);
const FLOOD_HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n';
const FLOOD = Buffer.alloc(64 * 1024, 'x');

const ports = new Map();

answerParent({
  open: async ({ mode, delayMs }) => {
    const port = { mode, delayMs, held: new Set(), ...fresh() };
    const server = net.createServer({ noDelay: true }, (socket) => receive(port, socket));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', 1024, resolve));
    ports.set(server.address().port, port);
    return server.address().port;
  },
  /** From now on it answers so; what is held is answered at once. */
  change: ({ port, mode }) => {
    const changed = ports.get(port);
    changed.mode = mode;
    if (mode !== 'at once') return;
    for (const socket of changed.held) socket.write(NO_CONTENT);
    changed.held.clear();
  },
  /** Counts from 0 again. */
  restart: ({ port }) => void Object.assign(ports.get(port), fresh()),
  /** When so many requests are there: the times of the first and the last one, in milliseconds of this machine's uptime. */
  received: ({ port, count }) =>
    new Promise((resolve) => {
      const watched = ports.get(port);
      watched.watcher = { count, tell: () => resolve({ firstMs: watched.firstMs, lastMs: watched.lastMs }) };
      look(watched);
    }),
  state: ({ port }) => ({ count: ports.get(port).count, delaysMs: ports.get(port).delaysMs }),
});

function fresh() {
  return { count: 0, firstMs: 0, lastMs: 0, delaysMs: [], watcher: undefined };
}

function receive(port, socket) {
  let unfinished;
  socket.on('error', () => undefined);
  socket.on('close', () => port.held.delete(socket));
  socket.on('data', (chunk) => {
    let rest = unfinished === undefined ? chunk : Buffer.concat([unfinished, chunk]);
    unfinished = undefined;
    while (rest.length > 0) {
      const end = requestEnd(rest);
      if (end === -1) {
        unfinished = rest;
        return;
      }
      count(port, rest, end);
      answer(port, socket);
      rest = rest.subarray(end);
    }
  });
}

/** Index behind the first request in `bytes`; -1 if it is not all there. */
function requestEnd(bytes) {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return -1;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.latin1Slice(0, headEnd))?.[1] ?? 0;
  const end = headEnd + 4 + Number(length);
  return end > bytes.length ? -1 : end;
}

function count(port, bytes, end) {
  const nowMs = uptimeMs();
  if (port.count === 0) port.firstMs = nowMs;
  port.lastMs = nowMs;
  port.count += 1;
  // A message that begins with `t` and 16 digits says when it was written, in microseconds.
  const stamp = bytes.latin1Slice(Math.max(0, end - 80), end).lastIndexOf('message=t');
  if (stamp !== -1) {
    const at = Math.max(0, end - 80) + stamp + 'message=t'.length;
    const writtenMs = Number(bytes.latin1Slice(at, at + 16)) / 1000;
    if (writtenMs > 0) port.delaysMs.push(nowMs - writtenMs);
  }
  look(port);
}

function look(port) {
  if (port.watcher === undefined || port.count < port.watcher.count) return;
  port.watcher.tell();
  port.watcher = undefined;
}

function answer(port, socket) {
  if (port.mode === 'at once') socket.write(NO_CONTENT);
  else if (port.mode === 'later') setTimeout(() => socket.write(NO_CONTENT), port.delayMs);
  else if (port.mode === 'never') port.held.add(socket);
  else if (port.mode === 'reset') socket.resetAndDestroy();
  else flood(socket);
}

/** Answers with a body that never ends, as fast as it is taken. */
function flood(socket) {
  const pour = () => {
    while (!socket.destroyed && socket.write(FLOOD));
  };
  socket.on('drain', pour);
  socket.write(FLOOD_HEAD);
  pour();
}

/** The same clock for all processes of a machine. */
function uptimeMs() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
