import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { jsonSchema, knownKeys } from '../../src/config/json-schema.ts';

interface Schema {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** Every key with its schema, in order; those of a pool's own `retry` are those of the general one. */
function keysOf(schema: Schema, section = ''): { path: string; key: string; schema: Schema }[] {
  const properties = schema.properties ?? schema.items?.properties ?? {};
  return Object.entries(properties).flatMap(([key, value]) => {
    const path = section === '' ? key : `${section}.${key}`;
    const below = path === 'outgoing_pools.retry' ? [] : keysOf(value, path);
    return [{ path, key, schema: value }, ...below];
  });
}

const keys = keysOf(jsonSchema() as Schema);

describe('config/event-pusher.full.yaml', () => {
  const lines = readFileSync(new URL('../../config/event-pusher.full.yaml', import.meta.url), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const start = lines.indexOf(`# ${keys[0]?.schema.description}`);

  it.each(keys.map(({ path }, index) => [path, index] as const))(
    'explains %s and gives its default',
    (_path, index) => {
      const { key, schema } = keys[index]!;
      const [comment, line = ''] = lines.slice(start + 2 * index);
      expect(comment).toBe(`# ${schema.description}`);
      expect(line).toMatch(new RegExp(`^(# |- )?${key}:`));
      const isSection = schema.properties !== undefined || schema.items?.properties !== undefined;
      if (schema.default === undefined || (isSection && line.endsWith(':'))) return;
      expect(parse(line.replace(/^- /, ''))).toEqual({ [key]: schema.default });
    },
  );

  it('holds nothing else', () => {
    expect(lines.slice(start + 2 * keys.length)).toEqual([]);
  });
});

describe('the JSON Schema', () => {
  it('has a description of one short line for every key', () => {
    for (const { section, key, description } of knownKeys()) {
      expect(description, `${section}.${key}`).toMatch(/^[A-Z].{5,110}\.$|^sender: .{5,110}\.$/);
    }
  });

  it('lets editors take a variable where a number or a word is wanted', () => {
    const text = JSON.stringify(jsonSchema());
    expect(keys.find(({ path }) => path === 'outgoing_pools.workers')?.schema).toEqual({
      description: 'Most requests in flight, and keep-alive connections.',
      default: 10,
      anyOf: [
        { type: 'integer', minimum: 1, maximum: 10_000 },
        { type: 'string', pattern: '\\$\\{[A-Za-z_]' },
      ],
    });
    expect(text).toContain('"$schema":"http://json-schema.org/draft-07/schema#"');
  });

  it('refuses unknown keys and wants only what has no default', () => {
    expect(jsonSchema()).toMatchObject({
      additionalProperties: false,
      required: ['component', 'mod_event_pusher'],
      properties: {
        component: { additionalProperties: false, required: ['service', 'domain'] },
        outgoing_pools: { items: { additionalProperties: false, required: ['tag', 'server'] } },
        mod_event_pusher: {
          additionalProperties: false,
          required: ['backends'],
          properties: {
            backends: {
              items: { properties: { http: { additionalProperties: false, required: ['pool_name'] } } },
            },
          },
        },
      },
    });
  });
});
