import { setImmediate as nextTurn } from 'node:timers/promises';

/** Signals that end or stop a process and can be caught; at SIGUSR1 Node does something of its own. */
export const allSignals = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGALRM',
  'SIGUSR2',
  'SIGVTALRM',
  'SIGXCPU',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGTSTP',
] as const satisfies readonly NodeJS.Signals[];

/** Ctrl-Z: the only one that must not come while others wait for us. */
export const stopSignals = ['SIGTSTP'] as const satisfies readonly NodeJS.Signals[];

/**
 * Does something that these signals must not cut short, and has one that came meanwhile take effect right afterwards.
 * Not done for longer than that: a process that waits for a terminal or for a lock must be easy to end.
 */
export async function undisturbed<T>(signals: readonly NodeJS.Signals[], work: () => T): Promise<T> {
  const come = new Set<NodeJS.Signals>();
  const note = (signal: NodeJS.Signals): void => void come.add(signal);
  for (const signal of signals) process.on(signal, note);
  try {
    return work();
  } finally {
    // Node tells of signals where it looks for input, which need not be before the first of these.
    await nextTurn();
    await nextTurn();
    for (const signal of signals) process.off(signal, note);
    for (const signal of come) process.kill(process.pid, signal);
  }
}
