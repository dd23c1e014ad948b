import type { AddressInfo } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Observe } from '../core/observation.ts';
import type { Outbox } from '../core/outbox.ts';
import type { OutboxStore } from '../core/outbox-store.ts';
import type { Log } from './log.ts';
import type { Known, State } from './metric-table.ts';
import { createMetrics } from './metrics.ts';
import { serveTelemetry } from './server.ts';

export interface TelemetryOptions {
  /** Where to listen; port 0: any free port. */
  readonly host: string;
  readonly port: number;
  /** Names that the Host header may have, beside the listen address. */
  readonly hosts: readonly string[];
  readonly known: Known;
  readonly log: Pick<Log, 'observe'>;
  readonly clock: Clock;
}

/** The parts whose state scrapes and `/readyz` show. */
export interface ShownParts {
  readonly ledger: Ledger;
  readonly store: Pick<OutboxStore, 'orphans' | 'deadLetters' | 'whyUnready'>;
  /** By the label of their pool; looked at again at each scrape. */
  readonly lanes: ReadonlyMap<string, { readonly outbox: Pick<Outbox, 'counts'> }>;
  readonly router: { declined(): [backend: string, events: number][] };
  readonly session: { whyUnready(): string | undefined };
}

/** Telemetry while the parts are made: it listens, shows every series with 0, and is not ready. */
export interface StartingTelemetry {
  readonly address: AddressInfo;
  /** Where the parts say what happens: it goes to metrics and log. */
  readonly observe: Observe;
  /** The second step, when all parts exist: from now on it shows their state. */
  show(parts: ShownParts): Telemetry;
  /** Ends it when the sidecar cannot start. */
  abandon(): Promise<void>;
}

/** Telemetry of a sidecar that runs. */
export interface Telemetry {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

const STARTING = 'the sidecar is starting: its outbox is not open yet';

/**
 * Opens telemetry before anything else, so that a port that is in use fails the start before anything is delivered.
 * @throws Error (code EADDRINUSE, …) if it cannot listen.
 */
export async function openTelemetry(options: TelemetryOptions): Promise<StartingTelemetry> {
  const { log, clock, known, ...address } = options;
  const metrics = createMetrics(known);
  let unreadyReasons = (): readonly string[] => [STARTING];
  const server = await serveTelemetry({ ...address, metrics, unreadyReasons: () => unreadyReasons() });
  return {
    address: server.address,
    observe: (observation) => {
      metrics.observe(observation);
      log.observe(observation);
    },
    show: (parts) => {
      metrics.show(() => stateOf(parts, clock));
      unreadyReasons = () =>
        [parts.session.whyUnready(), parts.store.whyUnready()].filter((reason) => reason !== undefined);
      return server;
    },
    abandon: () => server.close(),
  };
}

function stateOf({ ledger, store, lanes, router }: ShownParts, clock: Clock): State {
  return {
    nowMs: clock.now(),
    outboxes: [
      ...[...lanes].map(([pool, { outbox }]) => [pool, outbox.counts()] as const),
      ...store.orphans(),
    ],
    ledger: [...ledger.entries()],
    declined: router.declined(),
    isWritable: store.whyUnready() === undefined,
    deadLetters: store.deadLetters(),
  };
}
