import type { OutboxEngine } from '../../core/outbox-store.ts';
import { lmdb } from './lmdb.ts';
import { memory } from './memory.ts';

/** The table of outbox engines: a new one is one file and one line here, and the conformance suite runs it. */
export const engines = { lmdb, memory } satisfies Readonly<Record<string, OutboxEngine>>;
