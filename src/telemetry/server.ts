import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';

export interface TelemetryServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly metrics: Pick<Metrics, 'scrape' | 'contentType'>;
  /** Why the sidecar is not ready; empty: it is. */
  readonly unreadyReasons: () => readonly string[];
}

export interface TelemetryServer {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

/**
 * Serves /metrics, /healthz and /readyz.
 * @throws Error (code EADDRINUSE, …) if it cannot listen.
 */
export async function serveTelemetry(options: TelemetryServerOptions): Promise<TelemetryServer> {
  const server = http.createServer((request, response) => {
    answer(options, request).then(
      ({ status, type, body }) => {
        if (status === 405) response.setHeader('allow', 'GET, HEAD');
        response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
        response.end(request.method === 'HEAD' ? undefined : body);
      },
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    address: server.address() as AddressInfo,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function answer(options: TelemetryServerOptions, request: http.IncomingMessage): Promise<Answer> {
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

function json(status: number, content: object): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(content)}\n` };
}
