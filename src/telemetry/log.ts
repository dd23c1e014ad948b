import { type DestinationStream, type Level, type Logger, type LoggerOptions, pino } from 'pino';
import type { Clock } from '../core/clock.ts';
import type { LogLevel, Observation, Observe } from '../core/observation.ts';
import { levelsOf, type LogEvent, logEvents } from './log-events.ts';

const SERVICE = 'xmpp-event-pusher';

const MOST_PER_SECOND = 10;
const SECOND_MS = 1000;

export interface LogOptions {
  /** The least important lines that are written; `silent`: none. */
  readonly level: LogLevel;
  readonly version: string;
  readonly clock: Clock;
}

export interface Log {
  /** Writes the line of an observation, if it has one. */
  readonly observe: Observe;
  /** From now on less important lines are not written. */
  setLevel(level: LogLevel): void;
}

/**
 * Opens the log: JSON lines on stdout, readable ones on a terminal. Each has `level` as a word, `time`, `service`,
 * `version`, and the observation's kind as its stable `event` code.
 * @param destination Takes the lines instead of stdout.
 */
export function openLog({ level, version, clock }: LogOptions, destination?: DestinationStream): Log {
  const logger = openLogger({ level, version }, destination);
  const limit = new LineLimit(clock);
  // Found once: to make a line for each notification that is not written would cost more than the metrics.
  const wanted = new Set<string>();
  const setLevel = (least: LogLevel): void => {
    logger.level = least;
    wanted.clear();
    for (const [kind, event] of Object.entries(logEvents)) {
      if (levelsOf(event).some((each) => logger.isLevelEnabled(each))) wanted.add(kind);
    }
  };
  setLevel(level);
  return {
    setLevel,
    observe: (observation) => {
      if (!wanted.has(observation.kind)) return;
      const line = lineOf(observation);
      if (line === undefined) return;
      const suppressed = line.isFrequent ? limit.suppressed(observation.kind) : {};
      if (suppressed === undefined) return;
      logger[line.level]({ event: observation.kind, ...line.fields, ...suppressed }, line.text);
    },
  };
}

function openLogger({ level, version }: Omit<LogOptions, 'clock'>, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: { service: SERVICE, version },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (word) => ({ level: word }) },
  };
  if (destination !== undefined) return pino(options, destination);
  // Not to the file descriptor: pino would hang at exit if stdout is a socket whose reader has gone.
  if (!process.stdout.isTTY) return pino(options, process.stdout);
  const pretty = { ignore: 'service,version,event', messageFormat: '{event}: {msg}' };
  return pino({ ...options, transport: { target: 'pino-pretty', options: pretty } });
}

/** One line of the log. */
interface Line {
  readonly level: Level;
  readonly text: string;
  readonly fields: object;
  readonly isFrequent: boolean;
}

/** The line that an observation makes, if it makes one. */
function lineOf<O extends Observation>(observation: O): Line | undefined {
  // The compiler does not see that the entry of a kind reads observations of that kind.
  const event = logEvents[observation.kind] as LogEvent<O> | undefined;
  const level = event && levelOf(event, observation);
  if (event === undefined || level === undefined) return undefined;
  const { text, fields = [], made = {}, isFrequent = false } = event;
  return {
    level,
    text: typeof text === 'string' ? text : text(observation),
    fields: Object.fromEntries([
      ...fields.map((name) => [name, observation[name]] as const),
      ...Object.entries(made).map(([name, make]) => [name, make(observation)] as const),
    ]),
    isFrequent,
  };
}

function levelOf<O>({ level }: LogEvent<O>, observation: O): Level | undefined {
  if (typeof level === 'string') return level;
  return level.find(([, isMet]) => isMet(observation))?.[0];
}

interface Second {
  readonly startMs: number;
  lines: number;
  suppressed: number;
}

/** Keeps a flood of lines of one kind from filling the disk and from slowing down delivery. */
class LineLimit {
  readonly #clock: Clock;
  readonly #seconds = new Map<string, Second>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many lines of this kind were suppressed before this one, if any; undefined: suppress this one too. */
  suppressed(kind: string): { readonly suppressed?: number } | undefined {
    const nowMs = this.#clock.monotonic();
    let second = this.#seconds.get(kind);
    const before = second?.suppressed ?? 0;
    if (second === undefined || nowMs - second.startMs >= SECOND_MS) {
      second = { startMs: nowMs, lines: 1, suppressed: 0 };
      this.#seconds.set(kind, second);
      return before === 0 ? {} : { suppressed: before };
    }
    second.lines += 1;
    if (second.lines <= MOST_PER_SECOND) return {};
    second.suppressed += 1;
    return undefined;
  }
}
