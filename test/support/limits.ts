import { vi } from 'vitest';

/**
 * Time limits of tests in milliseconds, for files whose tests need longer than the default of 10 seconds. They are about
 * ten times of what a test takes on a quiet machine with two cores: a limit ends a test that hangs, and judges no speed.
 */
const limits = {
  /** Starts processes of ours, a compiler, or a program of the system. */
  processes: 60_000,
  /** Starts real XMPP servers, a real Prometheus or the demo. */
  servers: 120_000,
  /** Moves tens of megabytes over sockets. */
  largeBodies: 60_000,
  /** Tries very many cases in this process. */
  manyCases: 120_000,
};

/** Sets the limit for all tests of the file that calls it, or that imports the support file that calls it. */
export function allow(limit: keyof typeof limits): void {
  const testTimeout = limits[limit];
  // A file that needs several things gets the longest.
  if (testTimeout <= longest) return;
  longest = testTimeout;
  vi.setConfig({ testTimeout });
}

let longest = 0;
