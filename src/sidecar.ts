import { randomUUID } from 'node:crypto';
import type { Backend } from './backends/request.ts';
import { Router } from './backends/router.ts';
import type { Configuration } from './config/configuration.ts';
import { secretReader } from './config/secret.ts';
import type { DeadLetter } from './core/dead-letter.ts';
import { watchClock } from './core/clock-watch.ts';
import { parseJid } from './core/jid.ts';
import { afterReading } from './core/late.ts';
import { Ledger } from './core/ledger.ts';
import type { CallbackName, Observe } from './core/observation.ts';
import { labelledPools, type Lane, laneFor, openLanes } from './delivery/lanes.ts';
import type { OutboxStore } from './core/outbox-store.ts';
import { engines } from './outbox/engines/index.ts';
import { unusedProxies } from './delivery/http/proxy.ts';
import { systemClock as clock } from './node/clock.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { serveTelemetry, type TelemetryServer } from './telemetry/server.ts';
import { storedEvent } from './xmpp/event.ts';
import { Ingest } from './xmpp/ingest.ts';
import { openSession, type Session } from './xmpp/session.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

/** When `shutdown_timeout` is over, the outbox may take so long to close, in milliseconds: it needs a moment. */
const CLOSING_MS = 1000;
/** The most by which a stop takes longer after a pause of the process, to read the responses that came meanwhile. */
const READING_MS = 1000;

const NOT_YET = 'the component is not connected to the XMPP server yet';

/** A running sidecar. */
export interface Sidecar {
  /** Where it says what happens: metrics and log. */
  readonly observe: Observe;
  /** Takes nothing in any more, delivers what it can within `shutdown_timeout`, and ends, whatever the outbox does. */
  stop(): Promise<void>;
  /** Whether the outbox does not respond: then process.exit, which waits for every thread, might not end either. */
  isStuck(): boolean;
}

/** What is known before the start. */
export interface StartOptions {
  readonly version: string;
  readonly backends: readonly Backend[];
  /** Called before each call of a callback that is not ours; `backend` is the index of its backend. */
  readonly entered: (backend: number, callback: CallbackName) => void;
  /** Where log lines go. */
  readonly log: Observe;
}

/**
 * The composition root: read it first. A stanza goes session -> ingest (taps) -> router (backends) -> outbox ->
 * dispatcher -> outgoing pool; metrics and log listen beside.
 * @throws Error if an outbox cannot be opened or the telemetry address cannot be had.
 */
export async function startSidecar(
  configuration: Configuration,
  { version, log, ...callbacks }: StartOptions,
): Promise<Sidecar> {
  const ledger = new Ledger();
  const { observe, metrics } = openTelemetry(configuration, {
    version,
    log,
    ledger,
    lanes: () => lanes.values(),
    declined: () => router.declined(),
    store: () => store,
  });
  const store = await engines[configuration.outbox.engine](configuration.outbox, { clock, observe, ledger });
  const lanes = openLanes(configuration, { clock, random: Math.random, observe, store, version });
  const variables = unusedProxies(process.env);
  if (variables.length > 0) observe({ kind: 'proxy-unused', variables });
  const router = openRouter(configuration, callbacks, { observe, ledger, store, lanes });
  await store.start((letter) => redeliver(router, letter));
  for (const lane of lanes.values()) lane.start();
  const connection: { session?: Session } = {};
  const telemetry = await serveTelemetry({
    ...configuration.telemetry,
    metrics,
    unreadyReasons: () => unreadyReasons(connection.session, store),
  });
  observe({ kind: 'telemetry-listening', ...telemetry.address });
  const session = connect(configuration, router, { observe, version });
  connection.session = session;
  const endWatch = watchClock(clock, observe);
  const parts = { session, router, store, lanes: [...lanes.values()], telemetry, observe, endWatch };
  return {
    observe,
    isStuck: () => store.isStuck(),
    stop: () => stop(parts, configuration.shutdownTimeoutMs),
  };
}

interface RouterContext {
  readonly observe: Observe;
  readonly ledger: Ledger;
  readonly store: OutboxStore;
  readonly lanes: ReadonlyMap<string, Lane>;
}

function openRouter(
  { callbackTimeoutMs }: Configuration,
  { backends, entered }: Pick<StartOptions, 'backends' | 'entered'>,
  { observe, ledger, store, lanes }: RouterContext,
): Router {
  return new Router(
    { backends, callbackTimeoutMs, destinationOf: (tag, host) => laneFor(lanes, tag, host) },
    { clock, observe, ledger, deadLetters: store, makeId: randomUUID, entered },
  );
}

function unreadyReasons(session: Session | undefined, store: OutboxStore): string[] {
  const reasons = [session === undefined ? NOT_YET : session.problem(), store.problem()];
  return reasons.filter((reason) => reason !== undefined);
}

interface TelemetryContext {
  readonly version: string;
  readonly log: Observe;
  readonly ledger: Ledger;
  readonly lanes: () => Iterable<Lane>;
  readonly declined: () => [backend: string, events: number][];
  readonly store: () => OutboxStore;
}

function openTelemetry(configuration: Configuration, { lanes, log, store, ...context }: TelemetryContext) {
  const { trustedDomains, taps } = configuration.component;
  const { capacity } = configuration.outbox;
  const metrics = createMetrics({
    ...context,
    trustedDomains,
    taps,
    pools: [...labelledPools(configuration).keys()],
    backends: configuration.backends.map(({ name }) => name),
    limits: [...labelledPools(configuration)].map(([pool, { workers }]) => [pool, { capacity, workers }]),
    outboxes: () => [
      ...[...lanes()].map(({ pool, outbox }) => [pool, outbox.counts()] as const),
      ...store().orphans(),
    ],
    isWritable: () => store().problem() === undefined,
    deadLetters: () => store().deadLetters(),
    nowMs: () => clock.now(),
  });
  const observe: Observe = (observation) => {
    metrics.observe(observation);
    log(observation);
  };
  return { observe, metrics };
}

function connect(
  { component }: Configuration,
  router: Router,
  { observe, version }: { observe: Observe; version: string },
): Session {
  const ingest = new Ingest(
    {
      taps: component.taps,
      componentDomain: component.domain,
      trustedDomains: new Set(component.trustedDomains),
      parseJid: (text) => parseJid(text, () => observe({ kind: 'jid-preparation-failed' })),
    },
    router,
    { clock, observe },
  );
  return openSession({ ...component, readSecret: secretReader(component) }, ingest, {
    clock,
    random: Math.random,
    observe,
    version,
  });
}

/** What an operator wants delivered again goes the way it did not get to the end of. */
function redeliver(router: Router, letter: DeadLetter): Promise<void> {
  if (letter.stanza === undefined) return router.putAgain(letter);
  return router.redeliver(
    storedEvent(letter.stanza, (text) => parseJid(text, () => undefined)),
    letter,
  );
}

interface Parts {
  readonly session: Session;
  readonly router: Router;
  readonly store: OutboxStore;
  readonly lanes: readonly Lane[];
  readonly telemetry: TelemetryServer;
  readonly observe: Observe;
  readonly endWatch: () => void;
}

async function stop(parts: Parts, timeoutMs: number): Promise<void> {
  const { observe, telemetry, router, endWatch } = parts;
  endWatch();
  observe({ kind: 'sidecar-stopping' });
  await endParts(parts, timeoutMs);
  await telemetry.close();
  observe({ kind: 'sidecar-stopped', unfinished: router.underWay });
}

/** Ends the parts along the stanza's way; what is not done in time is left to the outboxes. */
async function endParts({ session, router, store, lanes }: Parts, timeoutMs: number): Promise<void> {
  let cancel = (): void => undefined;
  const timeIsUp = new Promise<void>((resolve) => {
    cancel = afterReading(clock, timeoutMs, resolve, Math.min(timeoutMs, READING_MS));
  });
  const drain = async (): Promise<void> => {
    // What is kept waits for the next run; only what is in flight has to end.
    const ended = store.keepsWhatIsLeft ? lanes.map((lane) => lane.stop()) : [];
    await session.stop();
    await router.settled();
    if (!store.keepsWhatIsLeft) await Promise.all(lanes.map(({ outbox }) => outbox.drained()));
    await Promise.all([...ended, ...lanes.map((lane) => lane.stop())]);
  };
  const close = async (): Promise<void> => {
    await Promise.all(lanes.map((lane) => lane.close()));
    await store.close();
  };
  store.stopRedelivering();
  await Promise.race([drain(), timeIsUp]);
  await Promise.race([close(), timeIsUp.then(() => pause(CLOSING_MS))]);
  cancel();
}
