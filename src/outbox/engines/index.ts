import type { OutboxEngine } from '../engine.ts';
import { memory } from './memory.ts';

/** The table of outbox engines: a new one is one file and one line here, and the conformance suite runs it. */
export const engines = { memory } satisfies Record<string, OutboxEngine>;
