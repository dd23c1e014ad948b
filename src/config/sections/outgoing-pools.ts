import { z } from 'zod';
import {
  domainForm,
  hasCredentials,
  hasQueryOrFragment,
  parseUrl,
  pathForm,
  preparedDomainForm,
  tagForm,
} from '../../schema/forms.ts';
import { field, itemsOf, textOf } from '../../schema/raw.ts';
import { section } from '../../schema/section.ts';
import { milliseconds, text, wholeNumber } from '../../schema/values.ts';
import type { Report } from '../reader/problems.ts';
import { whenFull } from './outbox.ts';
import { ownRetry } from './retry.ts';

const outgoingPool = section({
  type: z
    .literal('http')
    .default('http')
    .describe('Protocol of the pool: http, also if the URL in server is https://.'),
  scope: text(scopeForm)
    .default('global')
    .describe(
      'Whose notifications: global (all senders), host (one pool for each trusted domain), or one domain.',
    ),
  tag: text(tagForm).describe('The name by which backends find the pool.'),
  workers: wholeNumber(1, 10_000)
    .default(10)
    .describe('Maximum number of requests in flight, and of keep-alive connections.'),
  server: text(serverForm).describe('URL of the receiver, http:// or https://; a path in it is kept.'),
  pathPrefix: text(pathPrefixForm)
    .default('/')
    .describe('Part of the URL between server and the path of the backend.'),
  requestTimeoutMs: milliseconds(1).default(2000).describe('Milliseconds for a request and its response.'),
  maxConnectionAgeMs: milliseconds(1)
    .default(60_000)
    .describe(
      'Maximum age of a busy connection in milliseconds; the real age is random, up to a quarter less.',
    ),
  retry: ownRetry
    .prefault({})
    .describe('Like the general section retry, for this pool only; missing keys are taken from there.'),
  whenFull: whenFull.exactOptional().describe('Replaces outbox.when_full for this pool.'),
});

/** The outgoing pools as their own keys say; see `withGeneral`. */
export const outgoingPools = z
  .array(outgoingPool)
  .default([])
  .describe('Connections to the receivers of notifications.');

/** What a pool leaves out and other sections say. */
interface General<Retry> {
  readonly retry: Retry;
  readonly outbox: { readonly whenFull: z.output<typeof whenFull> };
}

/** The pools, each with what it takes from the general sections. */
export function withGeneral<Retry extends object>(
  pools: z.output<typeof outgoingPools>,
  { retry, outbox }: General<Retry>,
) {
  return pools.map((pool) => ({
    whenFull: outbox.whenFull,
    ...pool,
    retry: { ...retry, ...pool.retry },
  }));
}

/** `http://HOST[:PORT][/PATH]` or `https://…`. */
function serverForm(text: string): string | undefined {
  const url = parseUrl(text, ['http', 'https'], 'http://127.0.0.1:8000 (https:// for TLS)');
  if (typeof url === 'string') return url;
  if (hasCredentials(url)) {
    return 'holds a user name or password: authentication is not supported by this version';
  }
  if (hasQueryOrFragment(text))
    return "must have no query (?) or fragment (#): a query goes into a backend's path";
  return undefined;
}

/** A path without a query. */
function pathPrefixForm(text: string): string | undefined {
  return text.includes('?') ? "must have no query (?): a query goes into a backend's path" : pathForm(text);
}

/** `global`, `host` or a domain. */
function scopeForm(text: string): string | undefined {
  return domainForm(text) === undefined
    ? preparedDomainForm(text)
    : 'must be global, host, or a domain: example.com';
}

/** A pool as it came, unchecked. */
export interface RawPool {
  readonly scope: string | undefined;
  readonly tag: string | undefined;
}

export function rawPools(content: unknown): readonly RawPool[] {
  return itemsOf(content, 'outgoing_pools').map((pool) => ({
    scope: field(pool, 'scope') === undefined ? 'global' : textOf(pool, 'scope'),
    tag: textOf(pool, 'tag'),
  }));
}

/** Checks what no single pool shows, in the content as it came. */
export function checkOutgoingPools(content: unknown, report: Report): void {
  const pools = rawPools(content);
  const trustedDomains = itemsOf(field(content, 'component'), 'trusted_domains');
  for (const [index, { scope, tag }] of pools.entries()) {
    if (scope === 'host' && trustedDomains.length === 0) {
      const message =
        'is host (one pool for each of component.trusted_domains), but there are none: list them there';
      report(['outgoing_pools', index, 'scope'], 'no-trusted-domain', message);
    }
    const rival = pools.findIndex((pool) => pool.scope === scope && pool.tag === tag);
    if (rival === index || scope === undefined || tag === undefined) continue;
    const message = `is the tag of outgoing_pools[${rival}] too, with the same scope: change one of them`;
    report(['outgoing_pools', index, 'tag'], 'duplicate', message);
  }
}
