import { dirname, resolve } from 'node:path';
import { findCallbackModule } from './callback-module.ts';
import { checkContent, checkedComponent } from './check-content.ts';
import { completeConfiguration, type Surroundings } from './complete.ts';
import type { Configuration, Position, Problem } from './configuration.ts';
import { checkConsistency, checkOwnDomain, checkTimeouts, checkTrust } from './consistency.ts';
import { type Finding, parseSource, positionAt, type Source, unreadableContent } from './document.ts';
import { type Report, reporter } from './findings.ts';
import type { ProblemText } from './messages.ts';
import { problemCodes } from '../schema/problem-codes.ts';
import { backendsOf, field, textOf } from './raw.ts';
import { readSecretFile } from './secret.ts';
import { EncodingError, readTextFile } from './text-file.ts';
import { type Environment, replaceVariables } from './variables.ts';

/** Warnings may stand beside a configuration; problems are at least one error, and the warnings. */
export type Loaded =
  | { readonly configuration: Configuration; readonly warnings: readonly Problem[] }
  | { readonly problems: readonly Problem[] };

const START: Position = { line: 1, column: 1 };

/**
 * Reads a configuration file, its secret file, and the variables that it refers to. Gives either the whole
 * configuration, or every problem that can be known without running anything, in the order of the file.
 */
export async function loadConfiguration(file: string, environment: Environment): Promise<Loaded> {
  let text: string;
  try {
    ({ text } = await readTextFile(file));
  } catch (error) {
    const message = unreadableMessage(error as NodeJS.ErrnoException);
    return { problems: [problemAt(file, START, { code: 'unreadable-file', message })] };
  }
  const { configuration, findings } = await examine(text, dirname(resolve(file)), environment);
  const problems = inOrder(findings).map((finding) => problemAt(file, finding.position, finding));
  const hasErrors = problems.some(({ code }) => problemCodes[code].severity === 'error');
  return configuration === undefined || hasErrors ? { problems } : { configuration, warnings: problems };
}

/** A problem at a position of a configuration file, for what is found out after loading it. */
export function problemAt(file: string, { line, column }: Position, { code, message }: ProblemText): Problem {
  return { file, line, column, code, message };
}

async function examine(
  text: string,
  folder: string,
  environment: Environment,
): Promise<{ configuration?: Configuration; findings: Finding[] }> {
  const { source, findings } = parseSource(text);
  if (!source.isSound) return { findings };
  const { findings: variableFindings, unresolved, texts } = replaceVariables(source, environment);
  const problem = unreadableContent(source);
  if (problem !== undefined) return { findings: [...findings, ...variableFindings, problem] };
  findings.push(...variableFindings);
  const report = reporter(source, findings, unresolved);
  const checked = checkContent(source, texts, report);
  const content: unknown = source.document.toJS();
  checkConsistency(content, report);
  const component = checked?.component ?? checkedComponent(content);
  if (component !== undefined) {
    checkTrust(component, report);
    checkOwnDomain(component, report);
    checkTimeouts(component, report);
  }
  const surroundings = await survey(source, content, { folder, report });
  return checked === undefined
    ? { findings }
    : { configuration: completeConfiguration(checked, surroundings), findings };
}

/** Looks at the files that the content names. */
async function survey(
  source: Source,
  content: unknown,
  { folder, report }: { folder: string; report: Report },
): Promise<Surroundings> {
  const secretFile = textOf(field(content, 'component'), 'secret_file');
  const read = secretFile === undefined ? undefined : await readSecretFile(resolve(folder, secretFile));
  if (read !== undefined && 'message' in read) report(['component', 'secret_file'], read.code, read.message);
  const callbackModules: (string | undefined)[] = [];
  const positions: Position[] = [];
  for (const [index, backend] of backendsOf(content).entries()) {
    const path = ['mod_event_pusher', 'backends', index, 'http', 'callback_module'];
    const name = textOf(backend, 'callback_module');
    const found = name === undefined ? undefined : await findCallbackModule(name, folder);
    if (found !== undefined && 'message' in found) report(path, 'unusable-callback-module', found.message);
    callbackModules.push(found !== undefined && 'fileUrl' in found ? found.fileUrl : undefined);
    positions.push(positionAt(source, path));
  }
  return {
    folder,
    secret: read !== undefined && 'secret' in read ? read.secret : undefined,
    callbackModules,
    positions,
  };
}

function unreadableMessage(error: NodeJS.ErrnoException): string {
  if (error instanceof EncodingError) return `the file ${error.message}`;
  const { code } = error;
  if (code === 'ENOENT')
    return 'there is no such file: name another one with -c FILE, or in XMPP_EVENT_PUSHER_CONFIG';
  if (code === 'EISDIR') return 'this is a folder: name the file in it with -c FILE';
  const uid = process.geteuid?.() ?? 'unknown';
  return `the file cannot be read (${code ?? 'unknown error'}) by this process (uid ${uid})`;
}

function inOrder(findings: readonly Finding[]): Finding[] {
  return findings.toSorted(
    (a, b) => a.position.line - b.position.line || a.position.column - b.position.column,
  );
}
