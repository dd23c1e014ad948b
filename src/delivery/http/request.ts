import http from 'node:http';
import https from 'node:https';
import { urlToHttpOptions } from 'node:url';
import got, { type HttpsOptions, Options } from 'got';
import type { HttpRequest } from '../../core/delivery.ts';

/** What all requests of an outgoing pool have in common. */
export interface RequestOptions {
  /** `http://…` or `https://…`, with or without a path. */
  readonly server: string;
  readonly pathPrefix: string;
  readonly userAgent: string;
  /** Sent with HTTP Basic authentication (RFC 7617). */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Which certificates are trusted, and our own: options of got. */
  readonly tls?: HttpsOptions;
}

/** Makes a request, complete except for its body. @param agent Is used instead of the pool's, if it is given. */
export type MakeRequest = (request: HttpRequest, agent?: http.Agent) => http.ClientRequest;

/** The longest head of a response. With Node's 16 KiB the cookies of some receivers would end the connection. */
const MOST_HEAD_BYTES = 64 * 1024;

/** What the requests to one path have in common, ready for Node. */
interface Target {
  readonly options: http.RequestOptions;
  /** Those that a callback may replace. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * got keeps all that the pool's requests have in common, and makes Node's options of it once for each path. Node sends;
 * `src/costs.md` says what got would cost if it sent.
 * @param agent The pool's own, of the protocol that its server speaks.
 */
export function makeRequests(options: RequestOptions, agent: http.Agent): MakeRequest {
  const isSecure = agent instanceof https.Agent;
  const start = isSecure ? https.request : http.request;
  const { defaults } = got.extend({
    method: 'POST',
    agent: isSecure ? { https: agent } : { http: agent },
    headers: { 'user-agent': options.userAgent },
    maxHeaderSize: MOST_HEAD_BYTES,
    https: options.tls ?? {},
    ...options.credentials,
  });
  // As many as there are backends.
  const targets = new Map<string, Target>();
  const targetOf = (path: string): Target => {
    let target = targets.get(path);
    if (target === undefined) {
      const url = joinUrl(options.server, options.pathPrefix, path);
      target = makeTarget(new Options(url, undefined, defaults.options));
      targets.set(path, target);
    }
    return target;
  };
  return (request, otherAgent) => {
    const target = targetOf(request.path);
    const ready = { ...target.options, headers: headersOf(request, target.headers) };
    return start(otherAgent === undefined ? ready : { ...ready, agent: otherAgent });
  };
}

function makeTarget(options: Options): Target {
  const url = options.url as URL;
  const { setHost: _, headers, ...native } = options.createNativeRequestOptions();
  const { hostname, port, path, auth } = urlToHttpOptions(url);
  const authorization = auth && { authorization: `Basic ${Buffer.from(auth).toString('base64')}` };
  return {
    options: { host: hostname, port, path, ...defined(native) },
    headers: { host: url.host, ...defined(headers), ...authorization },
  };
}

/** Without keys that are undefined: Node copies the options of a request three times, with every key. */
function defined<T>(options: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Names and values in one row, which Node writes as it is. It would copy a header object and read it twice. */
function headersOf({ id, headers, body }: HttpRequest, defaults: Target['headers']): string[] {
  const row: string[] = [];
  for (const name in defaults) if (headers[name] === undefined) row.push(name, defaults[name]!);
  for (const name in headers) row.push(name, headers[name]!);
  row.push('webhook-id', id, 'content-length', String(Buffer.byteLength(body)));
  return row;
}

/** Joins server, prefix and path with exactly one slash at each joint; an empty part adds none. */
export function joinUrl(server: string, pathPrefix: string, path: string): string {
  let url = server;
  for (const part of [pathPrefix, path]) {
    if (part !== '') url = `${url.replace(/\/+$/, '')}/${part.replace(/^\/+/, '')}`;
  }
  return url;
}
