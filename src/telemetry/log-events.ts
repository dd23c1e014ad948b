import type { Level } from 'pino';
import type { Attempt, HttpRequest } from '../core/delivery.ts';
import type { AttemptFacts, Observation } from '../core/observation.ts';
import { adviceOn, describeError } from './failures.ts';

type Kind = Observation['kind'];

/** How observations of one kind become log lines. */
export interface LogEvent<O> {
  /** The level. Of several, the first whose condition is true; if none is true, there is no line. */
  readonly level: Level | readonly (readonly [Level, (observation: O) => boolean])[];
  readonly text: string | ((observation: O) => string);
  /** Fields of the observation that the line has under the same name. */
  readonly fields?: readonly (keyof O & string)[];
  /** Further fields of the line, by name; an undefined value is left out. */
  readonly made?: Readonly<Record<string, (observation: O) => unknown>>;
  /** It can happen for every stanza, so at most ten lines a second are written. */
  readonly isFrequent?: true;
}

type LogEvents = { readonly [K in Kind]?: LogEvent<Extract<Observation, { kind: K }>> };

/**
 * All log events, by the kind of their observation, which is the stable `event` code. What happens for every stanza is
 * not logged but counted by metrics. A line never holds addresses of people or what they wrote.
 */
export const logEvents: LogEvents = {
  'configuration-problem': {
    level: [
      ['warn', ({ severity }) => severity === 'warning'],
      ['error', always],
    ],
    text: ({ message }) => message,
    fields: ['file', 'line', 'column', 'code'],
  },
  'sidecar-starting': {
    level: 'info',
    text: 'starting',
    fields: ['node', 'file', 'outbox', 'pools', 'backends'],
  },
  'start-failed': { level: 'error', text: 'cannot start', fields: ['reason'] },
  'telemetry-listening': {
    level: 'info',
    text: 'metrics and health are served',
    fields: ['address', 'port'],
  },
  'proxy-unused': {
    level: 'warn',
    text: 'the environment names a proxy, which this version does not use: receivers must be reachable directly',
    fields: ['variables'],
  },
  'component-connecting': {
    level: [
      ['debug', ({ isRepeat }) => isRepeat],
      ['info', always],
    ],
    text: 'connecting to the XMPP server',
    fields: ['endpoint', 'domain'],
  },
  'component-online': {
    level: [
      ['debug', ({ isRepeat }) => isRepeat],
      ['info', always],
    ],
    text: 'the component is online',
    fields: ['domain'],
  },
  'component-offline': {
    level: [
      ['info', ({ code }) => code === 'stopped'],
      ['debug', ({ isRepeat }) => isRepeat],
      ['warn', always],
    ],
    text: 'the component is offline',
    fields: ['code', 'reason', 'retryInMs'],
  },
  'second-component': {
    level: [['warn', ({ isFirst }) => isFirst]],
    text: 'a second component is connected for this domain, and the server gives each of the two only some of the stanzas: stop one of them',
    fields: ['domain'],
  },
  'untrusted-copy': {
    level: 'warn',
    text: ({ isLast }) =>
      `copies from this server are discarded, because component.trusted_domains does not name it: if it is yours, add it as written here${isLast ? '; further domains are not named' : ''}`,
    fields: ['domain'],
  },
  'tap-not-configured': {
    level: 'warn',
    text: ({ tap }) =>
      `copies from a trusted server are taken as messages to the component, or are discarded: add the tap ${tap} to component.taps, before direct`,
    fields: ['tap', 'domain'],
  },
  'callback-failed': {
    level: 'error',
    text: 'a callback failed: its backend sends no notification for this stanza',
    fields: ['backend', 'callback'],
    made: { error: ({ error }) => describeError(error) },
    isFrequent: true,
  },
  'callback-stalled': {
    level: 'fatal',
    text: 'a callback has not given the main thread back: the process ends, for its supervisor to start it again',
    fields: ['backend', 'callback', 'stack'],
    made: { stalled_ms: ({ stalledMs }) => stalledMs },
  },
  'callback-not-true': {
    level: 'warn',
    text: 'shouldMakeReq returned something that is not true: no notification, because only true sends one',
    fields: ['backend', 'gave'],
  },
  'answer-cut': {
    level: 'warn',
    text: 'a response is longer than 64 KiB: its connection was closed, and its worker stays taken for a while; let the receiver respond with little or nothing',
    made: { ...ofRequest(), ...ofAttempt() },
    isFrequent: true,
  },
  'notification-accepted': { level: 'trace', text: 'accepted', made: ofNotification() },
  'notification-delivered': {
    level: 'debug',
    text: 'delivered',
    made: { ...ofNotification(), ...ofAttempt() },
  },
  'notification-retried': {
    level: 'warn',
    text: 'an attempt failed and will be retried',
    made: {
      ...ofNotification(),
      ...ofAttempt(),
      ...ofFailure(),
      afterMs: ({ afterMs }) => Math.round(afterMs),
      next_attempt_set_by: ({ cause }) => cause,
    },
    isFrequent: true,
  },
  'notification-dead': {
    level: 'error',
    text: 'a notification failed and will not be retried',
    fields: ['reason'],
    made: { ...ofNotification(), ...ofAttempt(), ...ofFailure() },
    isFrequent: true,
  },
  'notification-dropped': {
    level: 'error',
    text: 'a notification was dropped',
    fields: ['reason'],
    made: ofNotification(),
    isFrequent: true,
  },
  'clock-jumped': {
    level: 'warn',
    text: "the machine's clock was set, or the machine slept: what waits keeps its age and its due time",
    fields: ['byMs'],
  },
  'outbox-orphaned': {
    level: 'warn',
    text: 'notifications wait for a pool that is no longer configured',
    fields: ['pool', 'depth'],
  },
  'outbox-unwritable': { level: 'error', text: 'the outbox takes no notifications', fields: ['problem'] },
  'outbox-writable': { level: 'info', text: 'the outbox takes notifications again' },
  'ledger-mismatched': {
    level: 'error',
    text: 'the ledger on disk did not balance at startup; it was corrected',
    fields: ['pool', 'backend', 'off'],
  },
  'internal-error': {
    level: 'error',
    text: 'a bug of the sidecar or of a callback module: the stack shows where',
    fields: ['where'],
    made: { error: ({ error }) => describeError(error) },
    isFrequent: true,
  },
  'supervisor-unreachable': {
    level: 'warn',
    text: 'systemd cannot be told that the sidecar is up, and will end it',
    fields: ['reason'],
  },
  'sidecar-stopping': { level: 'info', text: 'stopping: what is in flight is finished first' },
  'sidecar-stopped': { level: 'info', text: 'stopped', fields: ['unfinished'] },
};

/** Every level that a line of this event can have. */
export function levelsOf({ level }: Pick<LogEvent<never>, 'level'>): Level[] {
  return typeof level === 'string' ? [level] : level.map(([each]) => each);
}

function always(): boolean {
  return true;
}

interface OfNotification {
  readonly notification: HttpRequest;
}

interface OfRequest {
  readonly request: HttpRequest;
}

interface OfAttempt {
  readonly attempt?: Attempt | undefined;
}

interface OfFailure extends OfAttempt {
  readonly facts?: AttemptFacts | undefined;
}

/** Fields by which an operator finds the request. */
function namesOf<O>(requestOf: (observation: O) => HttpRequest) {
  return {
    webhook_id: (observation: O) => requestOf(observation).id,
    backend: (observation: O) => requestOf(observation).backend,
    pool: (observation: O) => requestOf(observation).pool,
  };
}

function ofNotification() {
  return namesOf(({ notification }: OfNotification) => notification);
}

function ofRequest() {
  return namesOf(({ request }: OfRequest) => request);
}

function ofAttempt() {
  return {
    outcome: ({ attempt }: OfAttempt) => attempt?.outcome,
    status: ({ attempt }: OfAttempt) => attempt?.status,
    errorCode: ({ attempt }: OfAttempt) => attempt?.errorCode,
  };
}

/** The receiver of a failed attempt, and what an operator should look at. */
function ofFailure() {
  return {
    receiver: ({ facts }: OfFailure) => facts?.receiver,
    attempt: ({ facts }: OfFailure) => facts?.number,
    age_ms: ({ facts }: OfFailure) => facts && Math.round(facts.ageMs),
    advice: ({ attempt }: OfFailure) => attempt && adviceOn(attempt),
  };
}
