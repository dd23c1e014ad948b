import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

const SERVICE = 'xmpp-event-pusher';

export interface LoggerSettings {
  readonly level: string;
  readonly version: string;
}

/** JSON lines on stdout, readable ones on a terminal. Each has `level` as a word, `time`, `service` and `version`. */
export function createLogger(settings: LoggerSettings, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level: settings.level,
    base: { service: SERVICE, version: settings.version },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  };
  if (destination !== undefined) return pino(options, destination);
  // Not to the descriptor: that way would hang at exit when the reader of a socket has gone.
  if (!process.stdout.isTTY) return pino(options, process.stdout);
  const pretty = { ignore: 'service,version,event', messageFormat: '{event}: {msg}' };
  return pino({ ...options, transport: { target: 'pino-pretty', options: pretty } });
}
