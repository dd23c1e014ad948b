import type { OutboxEngine } from '../../core/outbox-store.ts';

/** Keeps deliveries on disk: what was put is there after a crash of the process or of the machine. */
export const lmdb: OutboxEngine = async (options, surroundings) => {
  // Only now, so that the native library is loaded by nobody who does not need it.
  const { openLmdbStore } = await import('../lmdb/open.ts');
  return openLmdbStore(options, surroundings);
};
