import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { Watchers } from './wait.ts';

/** What a receiver got, in the order in which the requests were complete. */
export interface ReceivedRequest {
  /** 0 for the first request that was complete. */
  readonly at: number;
  /** 0 for the first connection that was made. */
  readonly connection: number;
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly bytes: Buffer;
}

/** Responds to one request, now or later; not at all means that the client waits. */
export type Respond = (request: ReceivedRequest, response: http.ServerResponse) => void;

export interface ReceiverOptions {
  /** How it responds: with a status without a body, or a function; default 204. */
  readonly respond?: number | Respond;
  /** Speaks HTTPS with this certificate. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Port to listen on: for one that comes back where another was; default any free one. */
  readonly port?: number;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly ReceivedRequest[];
  /** How many connections were made to it so far. */
  readonly connections: number;
  /** The most connections that were open at one time. */
  readonly mostConnections: number;
  /** From now on it responds so. */
  respondWith(respond: number | Respond): void;
  /** The first request, past or coming, that matches and that `next` has not given out yet. */
  next(matches?: (request: ReceivedRequest) => boolean): Promise<ReceivedRequest>;
  /** The first `count` requests, once they are there. */
  received(count: number): Promise<readonly ReceivedRequest[]>;
  /** Refuses and cuts all connections. */
  stop(): Promise<void>;
}

/** A real HTTP receiver on loopback. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const events = new Watchers();
  const taken = new Set<ReceivedRequest>();
  let respond = asRespond(options.respond ?? 204);
  const server = options.tls ? https.createServer(options.tls) : http.createServer();
  const connections = countConnections(server);

  server.on('request', (request, response) => {
    collect(request).then(
      (bytes) => {
        const received: ReceivedRequest = {
          at: requests.length,
          connection: connections.numberOf(request.socket),
          method: request.method ?? '',
          path: request.url ?? '',
          headers: request.headers,
          rawHeaders: request.rawHeaders,
          body: bytes.toString('utf8'),
          bytes,
        };
        requests.push(received);
        respond(received, response);
        events.tell();
      },
      () => undefined, // The client has gone before its request was complete.
    );
  });

  const port = await listen(server, options.port ?? 0, options.host ?? '127.0.0.1');
  return {
    url: `${options.tls ? 'https' : 'http'}://${inUrl(options.host ?? '127.0.0.1')}:${port}`,
    port,
    requests,
    get connections() {
      return connections.made;
    },
    get mostConnections() {
      return connections.most;
    },
    respondWith: (changed) => {
      respond = asRespond(changed);
    },
    next: (matches = () => true) =>
      events.until(
        `a request at the receiver that meets ${String(matches)}`,
        () => {
          const found = requests.find((request) => !taken.has(request) && matches(request));
          if (found !== undefined) taken.add(found);
          return found;
        },
        () => requests.map(({ method, path }) => `${method} ${path}`).slice(-10),
      ),
    received: (count) =>
      events.until(`${count} requests at the receiver`, () =>
        requests.length < count ? undefined : requests.slice(0, count),
      ),
    stop: () => closeServer(server, connections.open),
  };
}

export interface RawReceiver {
  readonly url: string;
  readonly port: number;
  /** How many connections were made to it so far. */
  readonly connections: number;
  stop(): Promise<void>;
}

/** A receiver that speaks whatever the test writes: `onConnection` gets each socket and its number from 0. */
export async function startRawReceiver(
  onConnection: (socket: net.Socket, number: number) => void,
): Promise<RawReceiver> {
  // Half open, so that the test decides when its side ends.
  const server = net.createServer({ allowHalfOpen: true });
  const connections = countConnections(server);
  server.on('connection', (socket: net.Socket) => {
    socket.on('error', () => undefined);
    onConnection(socket, connections.numberOf(socket));
  });
  const port = await listen(server, 0, '127.0.0.1');
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get connections() {
      return connections.made;
    },
    stop: () => closeServer(server, connections.open),
  };
}

/** Calls back with each whole request (its bytes) that a raw receiver's socket gets. */
export function onRawRequest(socket: net.Socket, callback: (request: string) => void): void {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (;;) {
      const head = text.indexOf('\r\n\r\n');
      if (head === -1) return;
      const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
      const end = head + 4 + length;
      if (text.length < end) return;
      const request = text.slice(0, end);
      text = text.slice(end);
      callback(request);
    }
  });
}

function asRespond(respond: number | Respond): Respond {
  return typeof respond === 'function' ? respond : (_request, response) => response.writeHead(respond).end();
}

async function collect(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function countConnections(server: net.Server) {
  const open = new Set<net.Socket>();
  const numbers = new WeakMap<net.Socket, number>();
  const counts = { open, made: 0, most: 0, numberOf: (socket: net.Socket) => numbers.get(socket) ?? -1 };
  // A TLS server serves requests on sockets of its own, made from those that it accepts.
  const event = server instanceof https.Server ? 'secureConnection' : 'connection';
  server.prependListener(event, (socket: net.Socket) => {
    numbers.set(socket, counts.made);
    counts.made += 1;
    open.add(socket);
    counts.most = Math.max(counts.most, open.size);
    socket.on('close', () => open.delete(socket));
  });
  return counts;
}

function listen(server: net.Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function closeServer(server: net.Server, open: Iterable<net.Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of open) socket.destroy();
  });
}

function inUrl(host: string): string {
  return net.isIPv6(host) ? `[${host}]` : host;
}
