import { randomUUID } from 'node:crypto';
import type { Backend } from './backends/backend.ts';
import { Router } from './backends/router.ts';
import type { Configuration } from './config/sections/index.ts';
import { secretReader } from './config/sections/secret-file.ts';
import type { DeadLetter } from './core/dead-letter.ts';
import { parseJid } from './core/jid.ts';
import { Ledger } from './core/ledger.ts';
import type { CallbackName } from './core/callback-names.ts';
import type { Observe } from './core/observation.ts';
import { unusedProxies } from './delivery/http/connections.ts';
import { labelledPools, laneFor, openLanes } from './delivery/lanes.ts';
import { systemClock as clock, watchClock } from './node/clock.ts';
import { type RunningParts, stopParts } from './stopping.ts';
import type { Log } from './telemetry/log.ts';
import { openTelemetry, type StartingTelemetry } from './telemetry/telemetry.ts';
import { storedEvent } from './xmpp/event.ts';
import { Ingest } from './xmpp/ingest.ts';
import { openSession, type Session } from './xmpp/session.ts';

/** A running sidecar. */
export interface Sidecar {
  /** Where it says what happens: metrics and log. */
  readonly observe: Observe;
  /** Takes no more stanzas, delivers what it can within `shutdown_timeout`, and ends even if the outbox does not respond. */
  stop(): Promise<void>;
  /** Whether the outbox does not respond: then process.exit may not end either, because it waits for all threads. */
  isStuck(): boolean;
}

/** What is known before the start. */
export interface StartOptions {
  readonly version: string;
  readonly backends: readonly Backend[];
  /** Called before each call of a callback that is not ours; `backend` is the index of its backend. */
  readonly entered: (backend: number, callback: CallbackName) => void;
  readonly log: Log;
}

/**
 * The composition root: read it first. A stanza goes session -> ingest (taps) -> router (backends) -> outbox ->
 * dispatcher -> outgoing pool; metrics and log observe all of them.
 * @throws Error if the telemetry address cannot be had or the outbox cannot be opened: then nothing was delivered.
 */
export async function startSidecar(configuration: Configuration, options: StartOptions): Promise<Sidecar> {
  const telemetry = await openTelemetry(telemetryOptions(configuration, options));
  try {
    const parts = await startParts(configuration, options, telemetry);
    return {
      observe: telemetry.observe,
      isStuck: () => parts.store.isStuck(),
      stop: () => stopParts(parts, configuration.shutdownTimeoutMs),
    };
  } catch (error) {
    await telemetry.abandon();
    throw error;
  }
}

/** Makes the parts from the end of the stanza's way to its beginning, and starts them in the same order. */
async function startParts(
  configuration: Configuration,
  { version, backends, entered }: StartOptions,
  starting: StartingTelemetry,
): Promise<RunningParts> {
  const { observe } = starting;
  const ledger = new Ledger();
  const store = await configuration.outbox.engine.open(configuration.outbox, { clock, observe, ledger });
  const lanes = openLanes(configuration, { clock, random: Math.random, observe, store, version });
  const { callbackTimeoutMs } = configuration;
  const router = new Router(
    { backends, callbackTimeoutMs, laneOf: (tag, host) => laneFor(lanes, tag, host) },
    { clock, observe, ledger, deadLetters: store, makeId: randomUUID, entered },
  );
  const session = sessionFor(configuration, router, { observe, version });

  const variables = unusedProxies(process.env);
  if (variables.length > 0) observe({ kind: 'proxy-unused', variables });
  await store.start((letter) => redeliver(router, letter));
  const telemetry = starting.show({ session, router, lanes, store, ledger });
  for (const lane of lanes.values()) lane.start();
  observe({ kind: 'telemetry-listening', ...telemetry.address });
  session.start();
  return { session, router, lanes, store, telemetry, observe, endWatch: watchClock(clock, observe) };
}

function telemetryOptions(configuration: Configuration, { version, log }: StartOptions) {
  const { capacity } = configuration.outbox;
  const pools = [...labelledPools(configuration)].map(
    ([label, { workers }]) => [label, { capacity, workers }] as const,
  );
  const { trustedDomains, taps } = configuration.component;
  const backends = configuration.backends.map(({ name }) => name);
  const known = { version, node: process.version, trustedDomains, taps, pools: new Map(pools), backends };
  return { ...configuration.telemetry, known, log, clock };
}

function sessionFor(
  { component }: Configuration,
  router: Router,
  { observe, version }: { readonly observe: Observe; readonly version: string },
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

/** A dead letter that an operator redelivers goes into the outbox, or to the router if a callback had failed on it. */
function redeliver(router: Router, letter: DeadLetter): Promise<void> {
  if (letter.stanza === undefined) return router.putAgain(letter);
  return router.redeliver(
    storedEvent(letter.stanza, (text) => parseJid(text, () => undefined)),
    letter,
  );
}
