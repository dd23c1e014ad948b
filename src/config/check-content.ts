import { isScalar, type Node } from 'yaml';
import type { z } from 'zod';
import { nodeAt, type Source } from './document.ts';
import type { Report } from './findings.ts';
import { issueText, unknownKeyText } from './messages.ts';
import { field } from './raw.ts';
import { type CheckedFile, fileSchema } from './schema.ts';

/**
 * Checks the content of a document against the schema; undefined if it does not pass. `texts` holds what came from
 * variables, lest a secret of digits only be taken for a number.
 */
export function checkContent(
  source: Source,
  texts: ReadonlyMap<Node, string>,
  report: Report,
): CheckedFile | undefined {
  const first = check(source);
  const wasRestored = !first.success && restoreTexts(source, texts, first.error.issues);
  const result = wasRestored ? check(source) : first;
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, report);
  return undefined;
}

/** The section `component` if it passes, whatever the others do: what it warns of stands beside their errors. */
export function checkedComponent(content: unknown): CheckedFile['component'] | undefined {
  const result = fileSchema.shape.component.safeParse(field(content, 'component'));
  return result.success ? result.data : undefined;
}

function check(source: Source) {
  return fileSchema.safeParse(source.document.toJS(), { reportInput: true });
}

/** Where text is wanted and a variable became something else, puts its text back; says whether there was any. */
function restoreTexts(
  source: Source,
  texts: ReadonlyMap<Node, string>,
  issues: readonly z.core.$ZodIssue[],
): boolean {
  let wasRestored = false;
  for (const issue of issues) {
    if (issue.code !== 'invalid_type' || issue.expected !== 'string') continue;
    const node = nodeAt(source, issue.path);
    const text = node === undefined ? undefined : texts.get(node);
    if (text === undefined || !isScalar(node)) continue;
    node.value = text;
    wasRestored = true;
  }
  return wasRestored;
}

function reportIssue(issue: z.core.$ZodIssue, report: Report): void {
  if (issue.code !== 'unrecognized_keys') {
    const { code, message } = issueText(issue);
    report(issue.path, code, message);
    return;
  }
  for (const key of issue.keys) {
    const { code, message } = unknownKeyText(issue.path, key);
    report([...issue.path, key], code, message, 'key');
  }
}
