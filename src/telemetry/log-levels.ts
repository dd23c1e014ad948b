/** The levels of the log, the most talkative first: a line is logged if its level is the configured one or one behind it. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
