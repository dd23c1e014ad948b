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

/** The schema of every key, by its path; those of a pool's own `retry` are those of the general one. */
function keysOf(schema: Schema, section = ''): [path: string, schema: Schema][] {
  const properties = schema.properties ?? schema.items?.properties ?? {};
  return Object.entries(properties).flatMap(([key, value]) => {
    const path = section === '' ? key : `${section}.${key}`;
    const below = path === 'outgoing_pools.retry' ? [] : keysOf(value, path);
    return [[path, value] as [string, Schema], ...below];
  });
}

const keys = new Map(keysOf(jsonSchema() as Schema));

/** A key as the example file has it. */
interface Entry {
  /** The comment line above it. */
  readonly comment: string | undefined;
  /** What follows the colon. */
  readonly value: string;
}

/** The keys of an example file by their paths, those behind a # included; and the lines that are neither key nor comment of one. */
function entriesOf(text: string): { entries: ReadonlyMap<string, Entry>; others: readonly string[] } {
  const entries = new Map<string, Entry>();
  const others: string[] = [];
  const above: { column: number; path: string }[] = [];
  let comment: string | undefined;
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [, indentation = '', hash, dash = '', key = '', value = ''] =
      /^( *)(# )?(- )?([a-z_]+):(?: (.*))?$/.exec(line) ?? [];
    const column = indentation.length + dash.length;
    const parents = above.filter((each) => each.column < column);
    const path = [...parents.slice(-1).map((each) => each.path), key].join('.');
    // What follows a # is a key only where there is one of that name: a description may begin with a word and a colon.
    const isKey = key !== '' && (hash === undefined || keys.has(path));
    if (isKey) {
      entries.set(path, { comment, value });
      above.splice(0, above.length, ...parents, { column, path });
    }
    comment = isKey ? undefined : line.trim().slice(2);
    if (!isKey && ![...keys.values()].some(({ description }) => description === comment)) others.push(line);
  }
  return { entries, others };
}

describe('config/event-pusher.full.yaml', () => {
  const text = readFileSync(new URL('../../config/event-pusher.full.yaml', import.meta.url), 'utf8');
  const { entries, others } = entriesOf(text.slice(text.indexOf('\n\n')));

  it.each([...keys])('explains %s and gives its default', (path, schema) => {
    const entry = entries.get(path);
    if (entry === undefined) return expect.unreachable(`there is no ${path}`);
    expect(entry.comment, `the comment above ${path}`).toBe(schema.description);
    const isSection = schema.properties !== undefined || schema.items?.properties !== undefined;
    if (schema.default === undefined || (isSection && entry.value === '')) return;
    expect(parse(entry.value), `the value of ${path}`).toEqual(schema.default);
  });

  it('has no other key and no other comment', () => {
    expect([...entries.keys()].filter((path) => !keys.has(path))).toEqual([]);
    expect(others).toEqual([]);
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
    expect(keys.get('outgoing_pools.workers')).toEqual({
      description: 'Maximum number of requests in flight, and of keep-alive connections.',
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
