import type { Outbox } from '../../src/core/outbox.ts';
import type { OutboxOptions, OutboxStore, OutboxSurroundings } from '../../src/outbox/engine.ts';
import { memory } from '../../src/outbox/engines/memory.ts';

/** A store of the engine memory, for tests of what works with one. */
export function memoryStore(surroundings: OutboxSurroundings): Promise<OutboxStore> {
  return memory({ folder: '', deadLetterCapacity: 0 }, surroundings);
}

/** The outbox of one pool in such a store. */
export async function memoryOutbox(
  options: OutboxOptions,
  surroundings: OutboxSurroundings,
): Promise<Outbox> {
  return (await memoryStore(surroundings)).outbox(options);
}
