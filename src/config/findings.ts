import type { Node } from 'yaml';
import { type Finding, nodeAt, type Path, positionAt, type Source } from './document.ts';
import { pathText } from './messages.ts';
import type { ProblemCode } from '../schema/problem-codes.ts';

/** Notes a problem with what stands at a path; `message` goes on after the path: `must be text`. */
export type Report = (path: Path, code: ProblemCode, message: string, target?: 'key' | 'value') => void;

/** Makes a report that adds to `findings`; of values whose variable is missing enough was said. */
export function reporter(source: Source, findings: Finding[], unresolved: ReadonlySet<Node>): Report {
  return (path, code, message, target) => {
    const node = nodeAt(source, path);
    if (node !== undefined && unresolved.has(node)) return;
    const position = positionAt(source, path, target);
    findings.push({ position, code, message: `${pathText(path)} ${message}` });
  };
}
