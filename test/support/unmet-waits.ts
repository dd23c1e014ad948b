import { afterEach, beforeEach } from 'vitest';
import { unmetWaits } from './wait.ts';

// What earlier tests left waiting says nothing about this one.
beforeEach(() => void unmetWaits());

/** A test that fails, by its time limit in most cases, says what it was waiting for. */
afterEach(({ task }) => {
  const waits = unmetWaits();
  const [error] = task.result?.errors ?? [];
  if (error === undefined || waits.length === 0) return;
  error.message += `\n${waits.join('\n')}`;
  error.stack = `${error.message}\n${error.stack ?? ''}`;
});
