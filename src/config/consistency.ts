import type { Report } from './findings.ts';
import { nearest } from './nearest.ts';
import type { CheckedFile } from './schema.ts';
import { backendsOf, field, itemsOf, textOf } from './raw.ts';
import { isSection } from '../schema/values.ts';

/**
 * Checks what no single value shows: what must be unique, what must exist. It reads the content as it came, not as
 * checked, so that all problems are found in one go; what has the wrong type is somebody else's complaint.
 */
export function checkConsistency(content: unknown, report: Report): void {
  checkSecretGivenOnce(content, report);
  checkDistinct(content, 'trusted_domains', report);
  checkDistinct(content, 'taps', report);
  const pools = itemsOf(content, 'outgoing_pools').map((pool) => ({
    scope: field(pool, 'scope') === undefined ? 'global' : textOf(pool, 'scope'),
    tag: textOf(pool, 'tag'),
  }));
  const trustedDomains = itemsOf(field(content, 'component'), 'trusted_domains');
  checkPools(pools, trustedDomains, report);
  const backends = backendsOf(content);
  checkBackendNames(backends, report);
  checkBackendPools(backends, pools, report);
}

/** Warns of taps that would discard all they are for; what is there by default counts, too. */
export function checkTrust({ taps, trustedDomains }: CheckedFile['component'], report: Report): void {
  const tap = taps.find((name) => name !== 'direct');
  if (tap === undefined || trustedDomains.length > 0) return;
  const message = `has no domain, so the tap ${tap} discards every copy: list the domains of your users`;
  report(['component', 'trusted_domains'], 'nobody-trusted', message);
}

/** Warns of a trusted domain that no copy comes from: the component's own. */
export function checkOwnDomain({ domain, trustedDomains }: CheckedFile['component'], report: Report): void {
  const index = trustedDomains.indexOf(domain);
  if (index === -1) return;
  const message =
    'is component.domain, which has no users and sends no copies: list the domains of your users only';
  report(['component', 'trusted_domains', index], 'own-domain-trusted', message);
}

/** Warns of a server that would be given up before it could respond to a ping. */
export function checkTimeouts({ timeouts }: CheckedFile['component'], report: Report): void {
  const { ping, silence } = timeouts;
  if (silence > ping) return;
  const message = `is not more than ping (${ping}): a server that has nothing to say counts as dead; give twice as much or more`;
  report(['component', 'timeouts', 'silence'], 'short-silence', message);
}

interface RawPool {
  readonly scope: string | undefined;
  readonly tag: string | undefined;
}

function checkSecretGivenOnce(content: unknown, report: Report): void {
  const component = field(content, 'component');
  if (!isSection(component)) return;
  const given = ['secret', 'secret_file'].filter((key) => key in component);
  if (given.length === 2) {
    report(
      ['component', 'secret_file'],
      'conflicting-keys',
      'stands beside secret: keep one of the two',
      'key',
    );
  }
  if (given.length === 0) {
    const message = 'is missing: give secret, as ${XMPP_COMPONENT_SECRET}, or secret_file';
    report(['component', 'secret'], 'missing-key', message);
  }
}

function checkDistinct(content: unknown, key: string, report: Report): void {
  const items = itemsOf(field(content, 'component'), key);
  for (const [index, item] of items.entries()) {
    if (items.indexOf(item) === index) continue;
    report(['component', key, index], 'duplicate', 'repeats an earlier one: remove it');
  }
}

function checkPools(pools: readonly RawPool[], trustedDomains: readonly unknown[], report: Report): void {
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

function checkBackendNames(backends: readonly unknown[], report: Report): void {
  const names = backends.map((backend) => textOf(backend, 'name'));
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name);
    if (name === undefined || first === index) continue;
    const message = `is the name of mod_event_pusher.backends[${first}] too: names must differ`;
    report(['mod_event_pusher', 'backends', index, 'http', 'name'], 'duplicate', message);
  }
}

function checkBackendPools(backends: readonly unknown[], pools: readonly RawPool[], report: Report): void {
  const tags = pools.map(({ tag }) => tag).filter((tag) => tag !== undefined);
  if (tags.length < pools.length) return;
  for (const [index, backend] of backends.entries()) {
    const poolName = textOf(backend, 'pool_name');
    if (poolName === undefined || tags.includes(poolName)) continue;
    const meant = nearest(poolName, tags);
    const remedy = meant === undefined ? `there are ${tags.join(', ') || 'none'}` : `did you mean ${meant}?`;
    const message = `names no outgoing pool: none has the tag ${poolName}; ${remedy}`;
    report(['mod_event_pusher', 'backends', index, 'http', 'pool_name'], 'unknown-pool', message);
  }
}
