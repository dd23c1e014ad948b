import { z } from 'zod';
import { defaultEngine } from '../outbox/engines/index.ts';
import { fileSchema } from './sections/index.ts';
import { engineNames } from './sections/outbox.ts';

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
  const shown = schemaFor(defaultEngine);
  const options = (schema: JsonSchema): JsonSchema | undefined => at(at(schema, 'outbox'), 'options');
  const ofAll = engineNames.map((engine) => options(schemaFor(engine))?.properties);
  Object.assign(options(shown) ?? {}, {
    properties: Object.assign({}, ...ofAll, options(shown)?.properties) as JsonSchema['properties'],
  });
  return shown;
}

function at(schema: JsonSchema | undefined, key: string): JsonSchema | undefined {
  return schema?.properties?.[key] as JsonSchema | undefined;
}

function schemaFor(engine: string): JsonSchema {
  return z.toJSONSchema(fileSchema('', { outbox: { engine } }), {
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

let known: readonly KnownKey[] | undefined;

/** Every key, section by section, in the order of the schema. */
export function knownKeys(): readonly KnownKey[] {
  known ??= keysIn(jsonSchema(), '');
  return known;
}

function keysIn(schema: JsonSchema, section: string): KnownKey[] {
  const properties = schema.properties ?? (schema.items as JsonSchema | undefined)?.properties ?? {};
  return Object.entries(properties as Record<string, JsonSchema>).flatMap(([key, value]) => [
    { section, key, description: value.description ?? '' },
    ...keysIn(value, section === '' ? key : `${section}.${key}`),
  ]);
}
