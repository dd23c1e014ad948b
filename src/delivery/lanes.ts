import type { Outbox } from '../core/outbox.ts';
import type { OutboxStore, WhenFull } from '../core/outbox-store.ts';
import type { RetryPolicy } from '../core/retry-policy.ts';
import { dispatch } from './dispatcher.ts';
import { openPool, type PoolOptions, type DeliveryPorts } from './http/pool.ts';

/** An outgoing pool with its outbox and workers. Lanes share nothing, so that a slow pool delays only itself. */
export interface Lane {
  /** The tag, or `tag@host` for a host's own pool. */
  readonly pool: string;
  readonly outbox: Outbox;
  /** Begins to deliver. */
  start(): void;
  /** Takes nothing out any more; resolves when what was in flight is settled. */
  stop(): Promise<void>;
  /** Ends what is left; what the outbox cannot keep is dropped and counted. */
  close(): Promise<void>;
}

/** What lanes need from outside. */
export interface LanesPorts extends DeliveryPorts {
  readonly store: OutboxStore;
  /** Ours, for receivers to see. */
  readonly version: string;
}

/** An outgoing pool as configured. */
export interface LaneOptions extends Omit<PoolOptions, 'userAgent'> {
  /** `global`, `host` (a lane for each trusted domain) or a domain. */
  readonly scope: string;
  readonly tag: string;
  readonly retry: RetryPolicy;
  readonly whenFull: WhenFull;
}

/** What lanes are made of: the configuration, as far as it concerns them. */
export interface LanesOptions {
  readonly outgoingPools: readonly LaneOptions[];
  readonly component: { readonly trustedDomains: readonly string[] };
  readonly backends: readonly { readonly name: string; readonly poolName: string }[];
  /** Most notifications waiting, per pool. */
  readonly outbox: { readonly capacity: number };
}

/** Each outgoing pool under its tag, or under `tag@host` for a host's own. */
export function labelledPools({
  outgoingPools,
  component,
}: Pick<LanesOptions, 'outgoingPools' | 'component'>): ReadonlyMap<string, LaneOptions> {
  const labelled = new Map<string, LaneOptions>();
  for (const pool of outgoingPools) {
    if (pool.scope === 'global') labelled.set(pool.tag, pool);
    else if (pool.scope === 'host') {
      for (const host of component.trustedDomains) labelled.set(laneLabel(pool.tag, host), pool);
    }
  }
  // Last, because a host's own pool comes before one that is made for every host.
  for (const pool of outgoingPools) {
    if (pool.scope !== 'global' && pool.scope !== 'host') labelled.set(laneLabel(pool.tag, pool.scope), pool);
  }
  return labelled;
}

/** Opens a lane for each outgoing pool. */
export function openLanes(configuration: LanesOptions, ports: LanesPorts): ReadonlyMap<string, Lane> {
  const { backends } = configuration;
  const { capacity } = configuration.outbox;
  const open = (label: string, pool: LaneOptions): Lane => {
    const users = backends.filter(({ poolName }) => poolName === pool.tag).map(({ name }) => name);
    const outbox = ports.store.outbox({ ...pool, pool: label, capacity, backends: users });
    return openLane(label, { ...pool, outbox }, ports);
  };
  return new Map([...labelledPools(configuration)].map(([label, pool]) => [label, open(label, pool)]));
}

/** The lane for a sender's host: its own with that tag, else the global one. */
export function laneFor(lanes: ReadonlyMap<string, Lane>, tag: string, host: string): Lane | undefined {
  return lanes.get(laneLabel(tag, host)) ?? lanes.get(tag);
}

function laneLabel(tag: string, host: string): string {
  return `${tag}@${host}`;
}

function openLane(
  label: string,
  configuration: LaneOptions & { readonly outbox: Outbox },
  ports: LanesPorts,
): Lane {
  const { workers, retry, outbox } = configuration;
  const userAgent = `xmpp-event-pusher/${ports.version}`;
  const pool = openPool({ ...configuration, userAgent }, ports);
  let dispatched: Promise<void> | undefined;
  return {
    pool: label,
    outbox,
    start: () => {
      dispatched = dispatch({ outbox, pool, workers, retry }, ports);
    },
    stop: async () => {
      outbox.stopLeasing();
      await dispatched;
    },
    close: async () => {
      await outbox.close();
      pool.close();
    },
  };
}
