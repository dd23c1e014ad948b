import type { OutboxStore } from './core/outbox-store.ts';
import type { Observe } from './core/observation.ts';
import type { Router } from './backends/router.ts';
import type { Lane } from './delivery/lanes.ts';
import { afterReading, systemClock as clock } from './node/clock.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import type { Session } from './xmpp/session.ts';

/** Milliseconds that the outbox may take to close after `shutdown_timeout` is over. */
const CLOSING_MS = 1000;
/** Most milliseconds that a stop takes longer after a pause of the process, to read responses that came meanwhile. */
const READING_MS = 1000;

/** What runs, in the order of the stanza's way. */
export interface RunningParts {
  readonly session: Session;
  readonly router: Router;
  readonly lanes: ReadonlyMap<string, Lane>;
  readonly store: OutboxStore;
  readonly telemetry: Telemetry;
  readonly observe: Observe;
  /** Ends the watch of the machine's clock. */
  readonly endWatch: () => void;
}

/** Takes no more stanzas, delivers what it can within the time, and ends all parts even if the outbox does not respond. */
export async function stopParts(parts: RunningParts, timeoutMs: number): Promise<void> {
  const { observe, telemetry, router, endWatch } = parts;
  endWatch();
  observe({ kind: 'sidecar-stopping' });
  await endWay(parts, timeoutMs);
  await telemetry.close();
  observe({ kind: 'sidecar-stopped', unfinished: router.underWay });
}

/** Ends the parts in the order of the stanza's way; what is not finished in time stays in the outboxes. */
async function endWay(parts: RunningParts, timeoutMs: number): Promise<void> {
  let cancel = (): void => undefined;
  const timeIsUp = new Promise<void>((resolve) => {
    cancel = afterReading(clock, timeoutMs, resolve, Math.min(timeoutMs, READING_MS));
  });
  parts.store.stopRedelivering();
  await Promise.race([drain(parts), timeIsUp]);
  await Promise.race([close(parts), timeIsUp.then(() => pause(CLOSING_MS))]);
  cancel();
}

async function drain({ session, router, lanes: all, store }: RunningParts): Promise<void> {
  const lanes = [...all.values()];
  // With a store that keeps what is left, lanes stop first: so nothing new goes out while the session ends. A second
  // stop only waits for the first.
  const ended = store.keepsWhatIsLeft ? lanes.map((lane) => lane.stop()) : [];
  await session.stop();
  await router.settled();
  if (!store.keepsWhatIsLeft) await Promise.all(lanes.map(({ outbox }) => outbox.drained()));
  await Promise.all([...ended, ...lanes.map((lane) => lane.stop())]);
}

async function close({ lanes, store }: RunningParts): Promise<void> {
  await Promise.all([...lanes.values()].map((lane) => lane.close()));
  await store.close();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
