import { milliseconds } from '../../schema/values.ts';

/** How long a stop may take. */
export const shutdownTimeoutMs = milliseconds(0)
  .default(10_000)
  .describe('Milliseconds that a stop may take to send what is waiting; 0: at once.');
