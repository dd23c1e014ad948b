import type { Node } from 'yaml';
import type { ProblemCode } from '../../schema/problem-codes.ts';
import { type Finding, nodeAt, type Path, type Position, positionAt, type Source } from './document.ts';

/** Something that an operator has to correct, or to look at: the table of codes says which. */
export interface Problem extends Position {
  /** The configuration file as the user gave it. */
  readonly file: string;
  readonly code: ProblemCode;
  /** What is wrong and what to do; never holds a secret. */
  readonly message: string;
}

/** Notes a problem with what stands at a path; `message` goes on after the path: `must be text`. */
export type Report = (path: Path, code: ProblemCode, message: string, target?: 'key' | 'value') => void;

/** Makes a report that adds to `findings`; a value whose variable is missing has its problem already. */
export function reporter(source: Source, findings: Finding[], unresolved: ReadonlySet<Node>): Report {
  return (path, code, message, target) => {
    const node = nodeAt(source, path);
    if (node !== undefined && unresolved.has(node)) return;
    const position = positionAt(source, path, target);
    findings.push({ position, code, message: `${pathText(path)} ${message}` });
  };
}

/** A path as operators read it: `outgoing_pools[0].workers`; a key that may be a secret is not shown. */
function pathText(path: Path): string {
  if (path.length === 0) return 'the file';
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${shownKey(String(step))}`))
    .join('')
    .slice(1);
}

/** A key, if it looks like one and not like a value that lost its colon. */
export function shownKey(key: string): string {
  return /^[A-Za-z_<][\w<-]{0,39}$/.test(key) ? key : '…';
}
