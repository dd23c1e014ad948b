import type { Level, Logger } from 'pino';
import type { Clock } from '../core/clock.ts';
import { PlainError } from '../core/errors.ts';
import type { Attempt, Notification } from '../core/delivery.ts';
import {
  type AttemptFacts,
  type Observation,
  type Observe,
  type Readers,
  readWith,
} from '../core/observation.ts';
import { adviceOn } from './advice.ts';
import { LineLimit } from './line-limit.ts';

const MOST_FRAMES = 5;

interface Line {
  readonly level: Level;
  readonly message: string;
  readonly fields: object;
}

/** Turns observations into log lines; each has the observation's kind as its stable `event` code. */
export function logObservations(logger: Logger, clock: Clock): Observe {
  const limit = new LineLimit(clock);
  // Made for every notification, these would cost more than the rest of telling.
  const isDebug = logger.isLevelEnabled('debug');
  const isWanted = (kind: Observation['kind']): boolean =>
    isDebug || (kind !== 'notification-accepted' && kind !== 'notification-delivered');
  return (observation) => {
    if (!isWanted(observation.kind)) return;
    const line = readWith(lines, observation);
    if (line === undefined) return;
    const suppressed = isFrequent(observation) ? limit.suppressed(observation.kind) : {};
    if (suppressed === undefined) return;
    logger[line.level]({ event: observation.kind, ...line.fields, ...suppressed }, line.message);
  };
}

/** All `event` codes of log lines. */
export const logEvents = (): readonly string[] => Object.keys(lines);

/** What a dead receiver, a hung callback, a full outbox or a full disk can make happen for every stanza. */
function isFrequent({ kind }: Observation): boolean {
  return /^(callback-failed|internal-error|answer-cut|notification-(retried|dead|dropped))$/.test(kind);
}

/** What happens for every stanza has no line: metrics count it. */
const lines: Readers<Line | undefined> = {
  'configuration-problem': (o) =>
    line(o.severity === 'warning' ? 'warn' : 'error', o.message, pick(o, 'file', 'line', 'column', 'code')),
  'sidecar-starting': (o) => line('info', 'starting', pick(o, 'node', 'file', 'outbox', 'pools', 'backends')),
  'start-failed': (o) => line('error', 'cannot start', pick(o, 'reason')),
  'telemetry-listening': (o) => line('info', 'metrics and health are served', pick(o, 'address', 'port')),
  'proxy-unused': (o) =>
    line(
      'warn',
      'the environment names a proxy, but this version sends notifications without one: let receivers be reachable directly',
      pick(o, 'variables'),
    ),
  'component-connecting': (o) =>
    line(o.isRepeat ? 'debug' : 'info', 'connecting to the XMPP server', pick(o, 'endpoint', 'domain')),
  'component-online': (o) =>
    line(o.isRepeat ? 'debug' : 'info', 'the component is online', pick(o, 'domain')),
  'component-offline': (o) => {
    const trouble = o.isRepeat ? 'debug' : 'warn';
    return line(
      o.code === 'stopped' ? 'info' : trouble,
      'the component is offline',
      pick(o, 'code', 'reason', 'retryInMs'),
    );
  },
  'second-component': (o) =>
    o.isFirst
      ? line(
          'warn',
          'a second component is connected for this domain, and the server gives each of the two only a part of the stanzas: stop one',
          pick(o, 'domain'),
        )
      : undefined,
  'untrusted-copy': (o) =>
    line(
      'warn',
      `copies of a server are discarded, for component.trusted_domains lacks it: if it is yours, add it as written here${o.isLast ? '; further domains are not named' : ''}`,
      pick(o, 'domain'),
    ),
  'tap-not-configured': (o) =>
    line(
      'warn',
      `copies of a trusted server are taken for messages to the component, or discarded: add the tap ${o.tap} to component.taps, before direct`,
      pick(o, 'tap', 'domain'),
    ),
  'callback-failed': (o) =>
    line('error', 'a callback failed: no notification for this stanza', {
      ...pick(o, 'backend', 'callback'),
      error: describe(o.error),
    }),
  'callback-stalled': (o) =>
    line('fatal', 'a callback has not given the main thread back: the process ends, to be started again', {
      ...pick(o, 'backend', 'callback', 'stack'),
      stalled_ms: o.stalledMs,
    }),
  'callback-not-true': (o) =>
    line('warn', 'shouldMakeReq gave something that is not true: no notification, for only true sends', {
      ...pick(o, 'backend', 'gave'),
    }),
  'answer-cut': (o) =>
    line(
      'warn',
      'an answer is longer than is read: its connection was cut, and its place stays taken for a while; let the receiver answer with little',
      fieldsOf(o.notification, o.attempt),
    ),
  'notification-accepted': (o) => line('trace', 'accepted', fieldsOf(o.notification)),
  'notification-delivered': (o) => line('debug', 'delivered', fieldsOf(o.notification, o.attempt)),
  'notification-retried': (o) =>
    line('warn', 'an attempt failed and will be repeated', {
      ...fieldsOf(o.notification, o.attempt, o.facts),
      afterMs: Math.round(o.afterMs),
    }),
  'notification-dead': (o) =>
    line('error', 'a notification failed for good', {
      ...fieldsOf(o.notification, o.attempt, o.facts),
      reason: o.reason,
    }),
  'notification-dropped': (o) =>
    line('error', 'a notification was dropped', { ...fieldsOf(o.notification), reason: o.reason }),
  'clock-jumped': (o) =>
    line(
      'warn',
      "the machine's clock jumped, or the machine slept; what waits is as old as before, and due as before",
      pick(o, 'byMs'),
    ),
  'outbox-orphaned': (o) =>
    line('warn', 'notifications wait for a pool that is not configured any more', pick(o, 'pool', 'depth')),
  'outbox-unwritable': (o) => line('error', 'the outbox takes no notifications', pick(o, 'problem')),
  'outbox-writable': () => line('info', 'the outbox takes notifications again', {}),
  'ledger-mismatched': (o) =>
    line('error', 'the ledger on disk was off; it was corrected', pick(o, 'pool', 'backend', 'off')),
  'internal-error': (o) =>
    line('error', 'a fault of the sidecar, or of a callback module: the stack tells', {
      where: o.where,
      error: describe(o.error),
    }),
  'supervisor-unreachable': (o) =>
    line('warn', 'systemd cannot be told that the sidecar is up, and will end it', pick(o, 'reason')),
  'sidecar-stopping': () => line('info', 'stopping: delivering what is under way', {}),
  'sidecar-stopped': (o) => line('info', 'stopped', pick(o, 'unfinished')),
};

function line(level: Level, message: string, fields: object): Line {
  return { level, message, fields };
}

function pick<T, K extends keyof T>(from: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}

/** Neither addresses of people nor texts: only what finds the notification again. */
function fieldsOf(notification: Notification, attempt?: Attempt, facts?: AttemptFacts): object {
  return {
    webhook_id: notification.id,
    ...pick(notification, 'backend', 'pool'),
    ...(attempt && pick(attempt, 'outcome', 'status', 'errorCode')),
    ...(attempt && facts && { ...factsOf(facts), advice: adviceOn(attempt) }),
  };
}

/** Where a notification went that was not delivered. */
function factsOf({ receiver, number, ageMs }: AttemptFacts): object {
  return { receiver, attempt: number, age_ms: Math.round(ageMs) };
}

/**
 * Class, code and place, not the message: a callback's may quote the stanza, and an HTTP error's properties hold headers
 * and body.
 */
function describe(error: unknown): object {
  try {
    if (!(error instanceof Error)) return { name: typeof error };
    const { name, message } = error;
    const { code } = error as NodeJS.ErrnoException;
    return {
      name: isWord(name) ? name : 'Error',
      ...(isWord(code) && { code }),
      ...(error instanceof PlainError && { message }),
      stack: framesOf(error),
    };
  } catch {
    // Its properties may be getters that throw, and logging must not become the next fault.
    return { name: 'Error' };
  }
}

/** Names and codes are set by whoever throws: one word is no text. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^\w+$/.test(value);
}

/** The stack begins with the message as it was at first: where that is not found, any line may be a part of it. */
function framesOf({ message, stack }: Error): string[] {
  const start = typeof stack === 'string' ? stack.indexOf(message) : -1;
  if (start === -1) return [];
  const frames = stack!.slice(start + message.length).match(/^ +at .*:\d+:\d+\)?$/gm) ?? [];
  return frames.slice(0, MOST_FRAMES).map((frame) => frame.trim());
}
