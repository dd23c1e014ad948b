import { PlainError } from '../../core/errors.ts';
import type { OutboxStore, OutboxSurroundings, StoreOptions } from '../../core/outbox-store.ts';
import { FORMAT, openDatabase } from './database.js';
import { cannotOpen, prepareFolder } from './folder.ts';
import { own, type Ownership } from './owner.ts';
import { LmdbStore } from './store.ts';

/** Opens the store in a folder, as its only owner. */
export async function openStore(
  folder: string,
  options: StoreOptions,
  surroundings: OutboxSurroundings,
): Promise<OutboxStore> {
  let ownership: Ownership | undefined;
  try {
    await prepareFolder(folder);
    ownership = await own(folder);
    await checkFormat(folder);
    return new LmdbStore({ folder, ownership, ...options }, surroundings);
  } catch (error) {
    await ownership?.abandon();
    throw cannotOpen(folder, error);
  }
}

/** Marks the folder as one of this format, which older versions may not read. */
async function checkFormat(folder: string): Promise<void> {
  const { root, meta } = openDatabase(folder);
  const format = meta.get('format') ?? 0;
  if (format < FORMAT) meta.putSync('format', FORMAT);
  await root.close();
  if (format <= FORMAT) return;
  throw new PlainError(
    `it was written by a newer version (format ${format}, this one knows ${FORMAT}); run that version, or set another path`,
  );
}
