import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, BlockList, isIP, isIPv4 } from 'node:net';
import { http } from '../node/http.ts';
import type { Metrics } from './metrics.ts';

export interface TelemetryServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Names that the Host header may have, beside the listen address. */
  readonly hosts: readonly string[];
  readonly metrics: Pick<Metrics, 'scrape' | 'contentType'>;
  /** Why the sidecar is not ready; empty: it is. */
  readonly unreadyReasons: () => readonly string[];
  readonly limits?: TelemetryLimits;
}

/** Limits for clients, so that no client keeps others from being served. */
export interface TelemetryLimits {
  /** Milliseconds for the head of a request, and for the whole of it. */
  readonly requestMs: number;
  /** Milliseconds in which a client may read nothing of a response. */
  readonly silenceMs: number;
  readonly connections: number;
  /** After so many requests a connection is closed. */
  readonly requestsPerConnection: number;
}

const LIMITS: TelemetryLimits = {
  requestMs: 10_000,
  silenceMs: 30_000,
  connections: 100,
  requestsPerConnection: 100,
};

export interface TelemetryServer {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

/**
 * Serves /metrics, /healthz and /readyz.
 * @throws Error (code EADDRINUSE, …) if it cannot listen.
 */
export async function serveTelemetry(options: TelemetryServerOptions): Promise<TelemetryServer> {
  const server = openServer(options.limits ?? LIMITS);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address() as AddressInfo;
  const names = { host: options.host, address: address.address, hosts: options.hosts };
  server.on('request', (request, response) => {
    const { host } = request.headers;
    const isOurs = host === undefined || isOwnHost(host, names);
    respond(response, isOurs ? handle(options, request) : Promise.resolve(MISDIRECTED));
  });
  return {
    address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function openServer({ requestMs, silenceMs, connections, requestsPerConnection }: TelemetryLimits) {
  const server = http.createServer({
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.min(1000, requestMs),
  });
  server.timeout = silenceMs;
  server.maxConnections = connections;
  server.maxRequestsPerSocket = requestsPerConnection;
  return server;
}

interface Response {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function respond(response: ServerResponse, made: Promise<Response>): void {
  made.then(
    ({ status, type, body }) => {
      if (status === 405) response.setHeader('allow', 'GET, HEAD');
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(response.req.method === 'HEAD' ? undefined : body);
    },
    () => response.writeHead(500).end(),
  );
}

async function handle(options: TelemetryServerOptions, request: IncomingMessage): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'only GET and HEAD' });
  switch (request.url?.split('?')[0]) {
    case '/metrics':
      return { status: 200, type: options.metrics.contentType, body: await options.metrics.scrape() };
    case '/healthz':
      return json(200, { status: 'ok' });
    case '/readyz': {
      const reasons = options.unreadyReasons();
      return reasons.length === 0
        ? json(200, { status: 'ready' })
        : json(503, { status: 'unready', reasons });
    }
    default:
      return json(404, { error: 'there are /metrics, /healthz and /readyz' });
  }
}

function json(status: number, content: object): Response {
  return { status, type: 'application/json', body: `${JSON.stringify(content)}\n` };
}

const MISDIRECTED = json(421, {
  error:
    'the Host header names another server: use the address of telemetry.listen, or list the name in telemetry.hosts',
});

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** The names under which a client may ask for this server. */
interface OwnNames {
  /** As configured: an address or a name, without brackets. */
  readonly host: string;
  /** The address that the server listens on. */
  readonly address: string;
  /** Further names. */
  readonly hosts: readonly string[];
}

/**
 * Whether a Host header names this server. A web page can point its own name to our address (DNS rebinding), and its
 * requests then have that name, never an address. So any address is accepted where other machines may connect.
 */
function isOwnHost(header: string, { host, address, hosts }: OwnNames): boolean {
  const name = header
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1');
  if ([host, address, ...hosts].some((own) => own.toLowerCase() === name)) return true;
  const isLocal = isLoopback(address);
  if (name === 'localhost') return isLocal || isWildcard(address);
  return !isLocal && isIP(name) !== 0;
}

function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
