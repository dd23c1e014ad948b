import { createHash } from 'node:crypto';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Certificate } from './certificate.ts';
import { waitFor } from './wait.ts';

export interface XmppServerOptions {
  /** What the component has to know; default `secret`. */
  readonly secret?: string;
  /** Speaks TLS from the first byte with this certificate. */
  readonly tls?: Certificate;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Port to listen on: for a server that comes back where another was; default any free one. */
  readonly port?: number;
  /** Routes the component's liveness pings back to it, as every server does; default true. */
  readonly routesPings?: boolean;
}

/** An XMPP server's port for components (XEP-0114) that says what the test tells it to say, and nothing else. */
export interface XmppServer {
  /** For `component.service`. */
  readonly service: string;
  readonly port: number;
  /** How many connections were made to it so far; over TLS only those that came through the TLS handshake. */
  readonly connections: number;
  /** All that was written on all connections, without TLS. */
  readonly received: string;
  /** The next connection that was not given out yet. */
  accept(): Promise<XmppPeer>;
  /** Accepts the next connection and lets it in. */
  welcome(): Promise<XmppPeer>;
  /** Refuses and cuts all connections; happens by itself when the test is over. */
  stop(): Promise<void>;
}

/** The server's end of one connection. */
export interface XmppPeer {
  /** All that the component wrote on it so far. */
  readonly received: string;
  write(data: string | Uint8Array): void;
  /** Writes without Nagle's delay and waits until the bytes have left this process. */
  flush(data: string | Uint8Array): Promise<void>;
  /** Resolves once the component has written something, after what was seen before, that matches. */
  sees(pattern: RegExp): Promise<string>;
  /** Opens the stream from the server's side, once the component has opened its own. */
  openStream(id?: string): Promise<void>;
  /** Opens the stream, checks the handshake (SHA-1 of id and secret) and accepts it; throws if the digest is wrong. */
  welcome(): Promise<void>;
  /** Ends the server's side of the connection (FIN), the component's stays open. */
  end(): void;
  /** Cuts the connection (RST). */
  cut(): void;
  /** Resolves when the component has ended its side (FIN, or all of the connection). */
  readonly ended: Promise<void>;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
}

const LIVENESS_PING = /<iq type="get" id="alive-.*?<\/iq>/g;
const STREAM_HEADER = /<stream:stream [^>]*>/;

/** Starts a server on loopback. */
export async function startXmppServer(options: XmppServerOptions = {}): Promise<XmppServer> {
  const { secret = 'secret', host = '127.0.0.1', port = 0, routesPings = true } = options;
  const waiting: XmppPeer[] = [];
  const takers: ((peer: XmppPeer) => void)[] = [];
  const sockets = new Set<net.Socket>();
  let connections = 0;
  let received = '';
  const take = (socket: net.Socket): void => {
    connections += 1;
    const peer = makePeer(socket, secret);
    if (routesPings) routePings(socket);
    socket.on('data', (text: string) => (received += text));
    const taker = takers.shift();
    if (taker === undefined) waiting.push(peer);
    else taker(peer);
  };
  // Half open, so that the test decides when the server's side ends.
  const server = options.tls
    ? tls.createServer({ ...options.tls, allowHalfOpen: true }, take)
    : net.createServer({ allowHalfOpen: true, noDelay: true }, take);
  server.on('tlsClientError', () => undefined);
  // Of a TLS server these are below those that it gives to its listener, if it ever does.
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      if (server.listening) server.close(() => resolve());
      else resolve();
    });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  onTestFinished(stop);
  const bound = (server.address() as AddressInfo).port;
  const accept = (): Promise<XmppPeer> => {
    const peer = waiting.shift();
    return peer === undefined
      ? waitFor('a connection to the scripted XMPP server', new Promise((resolve) => takers.push(resolve)))
      : Promise.resolve(peer);
  };
  return {
    service: `${options.tls ? 'xmpps' : 'xmpp'}://${net.isIPv6(host) ? `[${host}]` : host}:${bound}`,
    port: bound,
    get connections() {
      return connections;
    },
    get received() {
      return received;
    },
    accept,
    async welcome() {
      const peer = await accept();
      await peer.welcome();
      return peer;
    },
    stop,
  };
}

function routePings(socket: net.Socket): void {
  let unread = '';
  socket.on('data', (text: string) => {
    unread += text;
    const pings = unread.match(LIVENESS_PING);
    if (pings !== null && socket.writable) socket.write(pings.join(''));
    unread = unread.slice(unread.lastIndexOf('</iq>') + 1).slice(-1000);
  });
}

function makePeer(socket: net.Socket, secret: string): XmppPeer {
  let received = '';
  let seen = 0;
  const watchers = new Set<() => void>();
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    received += text;
    for (const watch of watchers) watch();
  });
  socket.on('error', () => undefined); // Tests look at what the component makes of it.
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const ended = new Promise<void>((resolve) => {
    socket.once('end', () => resolve());
    socket.once('close', () => resolve());
  });

  const sees = (pattern: RegExp): Promise<string> => {
    const found = new Promise<string>((resolve, reject) => {
      const watch = (): void => {
        const match = pattern.exec(received.slice(seen));
        if (match === null) return;
        seen += match.index + match[0].length;
        watchers.delete(watch);
        resolve(match[0]);
      };
      watchers.add(watch);
      watch();
      void closed.then(() =>
        reject(new Error(`closed before ${String(pattern)} came: ${received.slice(seen)}`)),
      );
    });
    return waitFor(`${String(pattern)} from the component`, found, () => received.slice(seen));
  };

  const openStream = async (id = 'stream-1'): Promise<void> => {
    await sees(STREAM_HEADER);
    socket.write(
      `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ` +
        `xmlns:stream='http://etherx.jabber.org/streams' from='push.example.com' id='${id}'>`,
    );
  };

  return {
    get received() {
      return received;
    },
    write: (data) => void socket.write(data),
    flush: (data) =>
      new Promise((resolve, reject) => {
        socket.write(data, (error) => (error ? reject(error) : resolve()));
      }),
    sees,
    openStream,
    async welcome() {
      await openStream('stream-1');
      const handshake = await sees(/<handshake>.*?<\/handshake>/);
      const digest = createHash('sha1').update(`stream-1${secret}`, 'utf8').digest('hex');
      if (handshake !== `<handshake>${digest}</handshake>`) throw new Error(`wrong: ${handshake}`);
      socket.write('<handshake/>');
    },
    end: () => void socket.end(),
    cut: () => void socket.resetAndDestroy(),
    get ended() {
      return waitFor('the component to end its side', ended, () => received.slice(seen));
    },
    get closed() {
      return waitFor('the connection to be gone', closed, () => received.slice(seen));
    },
  };
}
