import type { Node } from 'yaml';
import { type Finding, nodeAt, type Path, positionAt, type Source } from './document.ts';
import { pathText } from './messages.ts';

/** Notes a problem with what stands at a path; `message` goes on after the path: `must be text`. */
export type Report = (path: Path, message: string, target?: 'key' | 'value') => void;

/** Makes a report that adds to `findings`; of values whose variable is missing enough was said. */
export function reporter(source: Source, findings: Finding[], unresolved: ReadonlySet<Node>): Report {
  return (path, message, target) => {
    const node = nodeAt(source, path);
    if (node !== undefined && unresolved.has(node)) return;
    findings.push({ position: positionAt(source, path, target), message: `${pathText(path)} ${message}` });
  };
}
