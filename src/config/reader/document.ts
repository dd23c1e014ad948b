import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import type { ProblemCode } from '../../schema/problem-codes.ts';
import { syntaxMessage } from './syntax.ts';

/** Where something stands in a file; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Keys and indices that lead to a value. */
export type Path = readonly PropertyKey[];

/** A problem that knows its place, but not yet its file. */
export interface Finding {
  readonly position: Position;
  readonly code: ProblemCode;
  readonly message: string;
}

/** A YAML text, and where everything in it stands. */
export interface Source {
  readonly document: Document.Parsed;
  /** False if the text is so broken that its content means nothing. */
  readonly isSound: boolean;
  positionOf(offset: number): Position;
}

/** Parses YAML 1.2 (core schema); what YAML itself objects to becomes findings, at most one a line. */
export function parseSource(text: string): { source: Source; findings: Finding[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
  });
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const complaints: YAMLError[] = [...document.errors, ...document.warnings];
  const findings = complaints.map(({ code, pos: [offset] }) => ({
    position: positionOf(offset),
    code: 'invalid-yaml' as const,
    message: syntaxMessage(code, text, offset),
  }));
  const strayAliases = unresolvedAliases(document).map(({ range }) => ({
    position: positionOf(range?.[0] ?? 0),
    code: 'invalid-yaml' as const,
    message: syntaxMessage('BAD_ALIAS', '', 0),
  }));
  const isSound = strayAliases.length === 0 && document.errors.every(({ code }) => code === 'DUPLICATE_KEY');
  const source = { document, isSound, positionOf };
  return { source, findings: firstOfEachLine([...findings, ...strayAliases]) };
}

/** A finding if a sound document has no content, or aliases blow it up beyond measure. */
export function unreadableContent({ document, positionOf }: Source): Finding | undefined {
  if (document.contents === null) {
    return {
      position: positionOf(0),
      code: 'empty-file',
      message: 'the file is empty: begin with the sections component and mod_event_pusher',
    };
  }
  try {
    document.toJS();
    return undefined;
  } catch {
    const message = 'the aliases (*name) make the content too large: write it without them';
    return { position: positionOf(document.contents.range[0]), code: 'invalid-yaml', message };
  }
}

/** The node at a path, aliases followed; undefined if there is none. */
export function nodeAt(source: Source, path: Path): Node | undefined {
  const found = walk(source, path);
  return found.steps === path.length ? found.node : undefined;
}

/** Where the value (or the key) at a path stands; of what is not there, the section that lacks it. */
export function positionAt(source: Source, path: Path, target: 'key' | 'value' = 'value'): Position {
  const { steps, node, key } = walk(source, path);
  const wantsKey = target === 'key' || steps < path.length;
  const place = wantsKey ? (key ?? node) : (node ?? key);
  return source.positionOf(place?.range?.[0] ?? 0);
}

interface Found {
  /** How many steps of the path could be gone. */
  readonly steps: number;
  readonly node: Node | undefined;
  readonly key: Node | undefined;
}

function walk(source: Source, path: Path): Found {
  let found: Found = { steps: 0, node: follow(source, source.document.contents), key: undefined };
  for (const step of path) {
    const next = child(source, found, step);
    if (next === undefined) return found;
    found = next;
  }
  return found;
}

function child(source: Source, { node, steps }: Found, step: PropertyKey): Found | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? undefined : { steps: steps + 1, node: follow(source, item), key: undefined };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
  if (pair === undefined) return undefined;
  return { steps: steps + 1, node: follow(source, pair.value), key: follow(source, pair.key) };
}

function follow({ document }: Source, node: unknown): Node | undefined {
  if (isAlias(node)) return node.resolve(document) ?? node;
  return isNode(node) ? node : undefined;
}

function unresolvedAliases(document: Document.Parsed): Alias[] {
  const aliases: Alias[] = [];
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) === undefined) aliases.push(alias);
    },
  });
  return aliases;
}

function firstOfEachLine(findings: readonly Finding[]): Finding[] {
  const byLine = new Map<number, Finding>();
  for (const finding of findings) {
    const known = byLine.get(finding.position.line);
    if (known === undefined || finding.position.column < known.position.column) {
      byLine.set(finding.position.line, finding);
    }
  }
  return [...byLine.values()];
}
