import { z } from 'zod';
import { fileSchema } from './schema.ts';

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

/** The JSON Schema (draft 7, which all editors know) of the configuration file. */
export function jsonSchema(): JsonSchema {
  return z.toJSONSchema(fileSchema, {
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

/** Every key, section by section, in the order of the schema. */
export function knownKeys(schema: JsonSchema = jsonSchema(), section = ''): KnownKey[] {
  const properties = schema.properties ?? (schema.items as JsonSchema | undefined)?.properties ?? {};
  return Object.entries(properties as Record<string, JsonSchema>).flatMap(([key, value]) => [
    { section, key, description: value.description ?? '' },
    ...knownKeys(value, section === '' ? key : `${section}.${key}`),
  ]);
}
