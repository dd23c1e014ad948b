import { form } from './form.ts';
import type { Payload } from './payload.ts';

/** The table of payload formats: a new one is one file and one line here. */
export const payloads = { form } satisfies Readonly<Record<string, Payload>>;

export type PayloadName = keyof typeof payloads;
