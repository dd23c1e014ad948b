import { jsonSchema } from '../../../src/config/json-schema.ts';

interface Node {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

/** The default of a key of the configuration, named from the top, lists left out; undefined if it has none. */
export function defaultOf(key: string): unknown {
  let node: Node | undefined = jsonSchema() as Node;
  for (const part of key.split('.')) node = (node?.items ?? node)?.properties?.[part];
  return node?.default;
}
