import type { Configuration, PoolConfiguration } from './config/configuration.ts';
import type { Outbox } from './core/outbox.ts';
import type { OutboxStore } from './outbox/engine.ts';
import { dispatch, type DispatcherSurroundings } from './outgoing/dispatcher.ts';
import { openPool } from './outgoing/pool.ts';

/** An outgoing pool with its outbox: nothing is shared with another, so that a slow pool delays only itself. */
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

export interface LanesSurroundings extends DispatcherSurroundings {
  readonly store: OutboxStore;
  /** Ours, for receivers to see. */
  readonly version: string;
}

/** Each outgoing pool under its tag, or under `tag@host` for a host's own. */
export function labelledPools({
  outgoingPools,
  component,
}: Configuration): ReadonlyMap<string, PoolConfiguration> {
  const labelled = new Map<string, PoolConfiguration>();
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
export function openLanes(
  configuration: Configuration,
  surroundings: LanesSurroundings,
): ReadonlyMap<string, Lane> {
  const { backends } = configuration;
  const { capacity } = configuration.outbox;
  const laneOf = (label: string, pool: PoolConfiguration): Lane => {
    const users = backends.filter(({ poolName }) => poolName === pool.tag).map(({ name }) => name);
    const outbox = surroundings.store.outbox({ ...pool, pool: label, capacity, backends: users });
    return openLane(label, { ...pool, outbox }, surroundings);
  };
  return new Map([...labelledPools(configuration)].map(([label, pool]) => [label, laneOf(label, pool)]));
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
  configuration: PoolConfiguration & { readonly outbox: Outbox },
  surroundings: LanesSurroundings,
): Lane {
  const { workers, retry, outbox } = configuration;
  const userAgent = `xmpp-event-pusher/${surroundings.version}`;
  const pool = openPool({ ...configuration, userAgent }, surroundings);
  let dispatched: Promise<void> | undefined;
  return {
    pool: label,
    outbox,
    start: () => {
      dispatched = dispatch({ outbox, pool, workers, retry }, surroundings);
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
