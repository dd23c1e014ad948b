import { z } from 'zod';
import { fileSchema } from './sections/index.ts';
import { engineNames, outbox } from './sections/outbox.ts';

/** A key of the configuration file. */
export interface KnownKey {
  /** The keys above it, joined by dots; lists add nothing. '' at the top. */
  readonly section: string;
  readonly key: string;
  readonly description: string;
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Any text with a reference to a variable may stand for a number or one of a few words. */
const REFERENCE = { type: 'string', pattern: '\\$\\{[A-Za-z_]' } as const;

/** The JSON Schema (draft 7, which all editors know) of the configuration file. `outbox.options` has the keys of all engines. */
export function jsonSchema(): JsonSchema {
  const shown = shownAs(fileSchema(''));
  const known = at(at(shown, 'outbox'), 'options')?.properties ?? {};
  for (const engine of engineNames) {
    const own = at(shownAs(outbox('', { outbox: { engine } })), 'options')?.properties ?? {};
    for (const [key, value] of Object.entries(own)) known[key] ??= value;
  }
  return shown;
}

function at(schema: JsonSchema | undefined, key: string): JsonSchema | undefined {
  return schema?.properties?.[key] as JsonSchema | undefined;
}

function shownAs(shown: z.ZodType): JsonSchema {
  return z.toJSONSchema(shown, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema: schema }) => {
      if (schema.type !== 'integer' && schema.enum === undefined && schema.const === undefined) return;
      const { description, default: fallback, ...constraints } = schema;
      for (const key of Object.keys(schema)) delete schema[key];
      if (description !== undefined) schema.description = description;
      if (fallback !== undefined) schema.default = fallback;
      schema.anyOf = [constraints, { ...REFERENCE }];
    },
  });
}

let allKeys: readonly KnownKey[] | undefined;

/** Every key, section by section, in the order of the schema. */
export function knownKeys(): readonly KnownKey[] {
  allKeys ??= keysIn(jsonSchema(), '');
  return allKeys;
}

function keysIn(schema: JsonSchema, section: string): KnownKey[] {
  const properties = schema.properties ?? (schema.items as JsonSchema | undefined)?.properties ?? {};
  return Object.entries(properties as Record<string, JsonSchema>).flatMap(([key, value]) => [
    { section, key, description: value.description ?? '' },
    ...keysIn(value, section === '' ? key : `${section}.${key}`),
  ]);
}
