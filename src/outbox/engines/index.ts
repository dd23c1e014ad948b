import type { Engine } from './engine.ts';
import { lmdb } from './lmdb.ts';
import { memory } from './memory.ts';

/**
 * The table of outbox engines, the only place that knows their names: a new one is one file and one line here. Schema,
 * commands and the conformance suite take it from here.
 */
export const engines = {
  [lmdb.name]: lmdb,
  [memory.name]: memory,
} satisfies Readonly<Record<string, Engine>>;

export type { ChosenEngine } from './engine.ts';
export type EngineName = keyof typeof engines;

/** The one that is used where the configuration names none. */
export const defaultEngine: EngineName = lmdb.name;
