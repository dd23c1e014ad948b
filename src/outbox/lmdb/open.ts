import { PlainError } from '../../core/errors.ts';
import type { EngineOptions, OutboxStore, OutboxSurroundings } from '../engine.ts';
import { openDatabase } from './database.js';
import { prepareFolder, remedyFor } from './folder.ts';
import { own, type Ownership } from './owner.ts';
import { LmdbStore } from './store.ts';
import { Writing } from './writing.ts';

/** Opens the store in a folder, as its only owner. */
export async function openLmdbStore(
  options: EngineOptions,
  surroundings: OutboxSurroundings,
): Promise<OutboxStore> {
  const { folder } = options;
  let ownership: Ownership | undefined;
  try {
    prepareFolder(folder);
    ownership = await own(folder);
    const writing = await Writing.open(folder);
    return new LmdbStore({ database: openDatabase(folder), writing, ownership }, options, surroundings);
  } catch (error) {
    await ownership?.release();
    const reason = error instanceof PlainError ? error.message : remedyFor(folder, error as Error);
    throw new PlainError(`outbox.options.path: cannot open ${folder}: ${reason}`, { cause: error });
  }
}
