import { form } from './form.ts';
import type { Payload } from './payload.ts';

/** The table of payload formats, the only source of their names: a new one is one file and one line here. */
export const payloads = {
  form,
} satisfies Readonly<Record<string, Payload>>;

/** The format where the configuration names none. */
export const defaultPayload: Payload = payloads.form;
