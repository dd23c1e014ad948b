import net from 'node:net';
import tls from 'node:tls';

const DEFAULT_PORT = 5347;
const KEEP_ALIVE_AFTER_MS = 30_000;
/** A chunk as large as this (a whole TLS record) shows that more is waiting. */
const LARGE_CHUNK_BYTES = 16 * 1024;

/** Where an XMPP server listens for components. */
export interface Endpoint {
  /** Host name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
}

/**
 * Reads `xmpp://HOST[:PORT]` or `xmpps://HOST[:PORT]` (TLS from the first byte), an IPv6 address in brackets.
 * @throws Error in words for the operator.
 */
export function parseService(service: string): Endpoint {
  const scheme = /^(xmpps?):\/\//.exec(service)?.[1];
  const web = `http://${service.slice(`${scheme}://`.length)}`;
  if (scheme === undefined || !URL.canParse(service) || !URL.canParse(web)) {
    throw new Error(`component.service: "${service}" is not xmpp://HOST:PORT or xmpps://HOST:PORT`);
  }
  // URL checks and encodes (IDNA) the host name only for a scheme that it knows; but then it hides port 80.
  const { hostname } = new URL(web);
  const { port } = new URL(service);
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? DEFAULT_PORT : Number(port),
    secure: scheme === 'xmpps',
  };
}

/** The endpoint as a URL for logs: only its scheme, host and port. */
export function serviceOf({ host, port, secure }: Endpoint): string {
  return `${secure ? 'xmpps' : 'xmpp'}://${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/**
 * Part of the limit for each address of a host with several; the last gets the rest. Node's own 250 ms would never
 * reach a server that is farther away.
 */
const PART_FOR_AN_ADDRESS = 1 / 4;

/** How to connect. */
export interface ConnectOptions {
  /** The caller gives up after so many milliseconds. */
  readonly limitMs: number;
  /** Index of the first address to try, modulo their number. */
  readonly firstAddress: number;
  readonly lookup: net.LookupFunction;
}

/**
 * Connects; `onReady` is called once bytes can be written, for TLS after the certificate was verified (against Node's
 * certificate authorities and NODE_EXTRA_CA_CERTS). TCP keep-alive is on: while nothing is under way, a peer whose
 * machine or network has gone is noticed within 40 s.
 */
export function openSocket(
  { host, port, secure }: Endpoint,
  { limitMs, firstAddress, lookup }: ConnectOptions,
  onReady: () => void,
): net.Socket {
  const autoSelectFamilyAttemptTimeout = Math.ceil(limitMs * PART_FOR_AN_ADDRESS);
  const target = { host, port, autoSelectFamilyAttemptTimeout, lookup: beginningAt(firstAddress, lookup) };
  const socket = secure
    ? tls.connect({ ...target, ...(net.isIP(host) === 0 && { servername: host }) }, onReady)
    : net.connect(target, onReady);
  // Only now: a TLS socket has nothing to set them on before.
  socket.once('connect', () => socket.setKeepAlive(true, KEEP_ALIVE_AFTER_MS).setNoDelay(true));
  socket.on('data', (chunk: Buffer) => {
    if (chunk.length >= LARGE_CHUNK_BYTES) pauseForATurn(socket);
  });
  return socket;
}

/** The same look-up; its list of addresses begins at this index, and those before it come last. */
function beginningAt(first: number, lookup: net.LookupFunction): net.LookupFunction {
  return (name, options, callback) =>
    lookup(name, options, (error, found, family) => {
      const isList = error === null && Array.isArray(found) && found.length > 0;
      const start = isList ? first % found.length : 0;
      callback(error, isList ? [...found.slice(start), ...found.slice(0, start)] : found, family);
    });
}

/**
 * Lets requests of what has come go out before more is read. Otherwise one turn of the event loop would take 32
 * chunks. After a short halt all notifications would wait for the last of 2 MB.
 */
function pauseForATurn(socket: net.Socket): void {
  socket.pause();
  setImmediate(() => socket.resume());
}
