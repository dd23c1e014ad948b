import type http from 'node:http';
import type https from 'node:https';
import got from 'got';
import type { Notification } from '../../core/delivery.ts';
import { joinUrl } from './url.ts';

export interface RequestOptions {
  /** `http://…` or `https://…`, with or without a path. */
  readonly server: string;
  readonly pathPrefix: string;
  readonly userAgent: string;
}

/** Makes a notification's request, whole but for its body; through another agent than the pool's, if one is given. */
export type MakeRequest = (notification: Notification, agent?: http.Agent) => http.ClientRequest;

/** As much as is read of a body; beyond Node's 16 KiB some receivers' cookies would cost the connection. */
const MOST_HEAD_BYTES = 64 * 1024;

/** What all requests with one path have in common. */
interface Prepared {
  readonly options: http.RequestOptions;
  /** Those that a callback may replace. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * One got instance keeps the pool's agent, headers and options, and prepares each path once; its handler gives what it
 * has prepared instead of sending it, because got's own way for each request costs four times as much as the request and
 * lacks a total timeout, a bound on the answer and a retry on stale connections.
 */
export function makeRequests(
  options: RequestOptions,
  kept: http.Agent,
  start: typeof http.request,
): MakeRequest {
  const instance = got.extend({
    method: 'POST',
    isStream: true,
    agent: { http: kept, https: kept as https.Agent },
    headers: { 'user-agent': options.userAgent },
    handlers: [
      ({ url, method, headers, agent }) =>
        prepared(url as URL, { method, headers, agent: agent.http }) as never,
    ],
  });
  // As many as there are backends.
  const known = new Map<string, Prepared>();
  const prepare = (path: string): Prepared => {
    let request = known.get(path);
    if (request === undefined) {
      request = instance(joinUrl(options.server, options.pathPrefix, path)) as unknown as Prepared;
      known.set(path, request);
    }
    return request;
  };
  return (notification, agent) => {
    const request = prepare(notification.path);
    const ready = { ...request.options, headers: headersOf(notification, request.headers) };
    return start(agent === undefined ? ready : { ...ready, agent });
  };
}

function prepared({ hostname, port, host, pathname, search }: URL, options: object): Prepared {
  const { method, headers, agent } = options as http.RequestOptions;
  return {
    // Few keys, because Node copies them three times. A URL has an IPv6 address in brackets, a request has not.
    options: {
      host: hostname.replace(/^\[|\]$/g, ''),
      port,
      path: pathname + search,
      method,
      agent,
      maxHeaderSize: MOST_HEAD_BYTES,
    },
    headers: { host, ...(headers as Record<string, string>) },
  };
}

/** Names and values in one row, which Node writes as they stand; a header object it would copy and look through twice. */
function headersOf({ id, headers, body }: Notification, defaults: Prepared['headers']): string[] {
  const row: string[] = [];
  for (const name in defaults) if (headers[name] === undefined) row.push(name, defaults[name]!);
  for (const name in headers) row.push(name, headers[name]!);
  row.push('webhook-id', id, 'content-length', String(Buffer.byteLength(body)));
  return row;
}
