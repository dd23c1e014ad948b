import { isScalar, type Node, parseDocument, type Scalar, visit } from 'yaml';
import type { Finding, Source } from './document.ts';
import type { ProblemText } from '../../schema/problem-codes.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What became of the references in a file. */
export interface Replacement {
  readonly findings: Finding[];
  /** Values whose variable is missing: they have a problem already. */
  readonly unresolved: ReadonlySet<Node>;
  /** The text of values that took their YAML type from a variable, for keys that want text. */
  readonly texts: ReadonlyMap<Node, string>;
}

/** `$$`, a whole reference, or the beginning of one that is not understood. */
const PART = /\$\$|\$\{([A-Za-z_]\w*)(?::-((?:(?!\$\{)[^}])*))?\}|\$\{/g;
const WHOLE = /^\$\{[^}]*\}$/;
const MALFORMED =
  '"${" begins a reference to a variable, written ${NAME} or ${NAME:-default}; a plain dollar before { is written $$';

/**
 * Replaces `${NAME}` and `${NAME:-default}` in the values of a document, in place; what comes in is not looked at again.
 * A plain scalar that is one reference and nothing else takes the YAML type of its value.
 */
export function replaceVariables(source: Source, environment: Environment): Replacement {
  const findings: Finding[] = [];
  const unresolved = new Set<Node>();
  const texts = new Map<Node, string>();
  visit(source.document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('$')) return;
      const { text, problems } = replaced(node.value, environment);
      const position = source.positionOf(node.range?.[0] ?? 0);
      findings.push(...problems.map((problem) => ({ position, ...problem })));
      if (problems.length > 0) unresolved.add(node);
      if (takesType(node)) texts.set(node, text);
      node.value = problems.length > 0 ? null : takesType(node) ? typed(text) : text;
    },
  });
  return { findings, unresolved, texts };
}

function replaced(value: string, environment: Environment): { text: string; problems: ProblemText[] } {
  const problems: ProblemText[] = [];
  const text = value.replace(PART, (part, name: string | undefined, fallback: string | undefined) => {
    if (part === '$$') return '$';
    if (name === undefined) {
      problems.push({ code: 'invalid-reference', message: MALFORMED });
      return '';
    }
    const found = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (fallback !== undefined && (found === undefined || found === ''))
      return fallback.replaceAll('$$', '$');
    if (found === undefined) {
      const message = `the environment variable ${name} is not set: set it, or give a default with \${${name}:-default}`;
      problems.push({ code: 'missing-variable', message });
    }
    return found ?? '';
  });
  return { text, problems };
}

function takesType(node: Scalar): boolean {
  return node.type === 'PLAIN' && node.tag === undefined && WHOLE.test(node.source ?? '');
}

/** The value that YAML's core schema gives to a plain scalar; what would not be one stays text. */
function typed(text: string): unknown {
  if (text === '') return null;
  const node = parseDocument(text, { resolveKnownTags: false }).contents;
  return isScalar(node) && node.source === text ? node.value : text;
}
