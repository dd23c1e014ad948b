import { isScalar, type Node } from 'yaml';
import type { z } from 'zod';
import type { Configuration } from '../sections/index.ts';
import { nodeAt, type Source } from './document.ts';
import { issueText, unknownKeyText } from './messages.ts';
import type { Report } from './problems.ts';

/**
 * Checks the content of a document against a schema; undefined if it does not pass. `texts` holds what came from
 * variables, so that a secret of digits only is not taken for a number.
 */
export async function checkContent(
  source: Source,
  schema: z.ZodType<Configuration>,
  texts: ReadonlyMap<Node, string>,
  report: Report,
): Promise<Configuration | undefined> {
  const check = () => schema.safeParseAsync(source.document.toJS(), { reportInput: true });
  const first = await check();
  const wasRestored = !first.success && restoreTexts(source, texts, first.error.issues);
  const result = wasRestored ? await check() : first;
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, report);
  return undefined;
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
