import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { problemCodes, type ProblemText } from '../schema/problem-codes.ts';
import { field } from '../schema/raw.ts';
import { checkContent } from './reader/content.ts';
import {
  type Finding,
  parseSource,
  type Position,
  positionAt,
  type Source,
  unreadableContent,
} from './reader/document.ts';
import { type Problem, reporter } from './reader/problems.ts';
import { EncodingError, readTextFile } from './reader/text-file.ts';
import { type Environment, replaceVariables } from './reader/variables.ts';
import { checkSections, type Configuration, fileSchema } from './sections/index.ts';
import { callbackModulePath } from './sections/mod-event-pusher.ts';
import { outbox } from './sections/outbox.ts';
import { telemetry } from './sections/telemetry.ts';

/** A configuration that can be used. */
export interface Good {
  readonly configuration: Configuration;
  readonly warnings: readonly Problem[];
  /** Makes a problem of what is found out about a backend (by its index) when its callback module is loaded. */
  readonly problemOf: (backend: number, text: ProblemText) => Problem;
}

/** At least one error, and the warnings. */
export interface Bad {
  readonly problems: readonly Problem[];
}

const START: Position = { line: 1, column: 1 };

/**
 * Reads a configuration file, its secret file, and the variables that it refers to. Gives either the whole
 * configuration, or every problem that can be known without running anything, in the order of the file.
 */
export async function loadConfiguration(file: string, environment: Environment): Promise<Good | Bad> {
  let text: string;
  try {
    ({ text } = await readTextFile(file));
  } catch (error) {
    const message = unreadableMessage(error as NodeJS.ErrnoException);
    return { problems: [problemAt(file, START, { code: 'unreadable-file', message })] };
  }
  const { source, findings } = parseSource(text);
  const configuration = await examine(source, findings, folderOf(file), environment);
  const problems = inOrder(findings).map((finding) => problemAt(file, finding.position, finding));
  const hasErrors = problems.some(({ code }) => problemCodes[code].severity === 'error');
  if (configuration === undefined || hasErrors) return { problems };
  return {
    configuration,
    warnings: problems,
    problemOf: (backend, found) => problemAt(file, positionAt(source, callbackModulePath(backend)), found),
  };
}

/** Checks a document; adds what is wrong to `findings`. */
async function examine(
  source: Source,
  findings: Finding[],
  folder: string,
  environment: Environment,
): Promise<Configuration | undefined> {
  if (!source.isSound) return undefined;
  const { findings: variableFindings, unresolved, texts } = replaceVariables(source, environment);
  findings.push(...variableFindings);
  const problem = unreadableContent(source);
  if (problem !== undefined) {
    findings.push(problem);
    return undefined;
  }
  const report = reporter(source, findings, unresolved);
  const schema = fileSchema(folder, source.document.toJS());
  const configuration = await checkContent(source, schema, texts, report);
  checkSections(source.document.toJS(), report);
  return configuration;
}

/** The sections that a command may need without the others: an operator's shell need not have the sidecar's secret. */
const alone: { readonly [Name in LoneSection]: SectionSchema<Name> } = {
  outbox,
  telemetry: () => telemetry,
};

type LoneSection = 'outbox' | 'telemetry';
type SectionSchema<Name extends LoneSection> = (
  folder: string,
  content: unknown,
) => z.ZodType<Configuration[Name]>;

/** Reads one section of a configuration file; if it is not good, every problem of the file. */
export async function loadSection<Name extends LoneSection>(
  name: Name,
  file: string,
  environment: Environment,
): Promise<Configuration[Name] | Bad> {
  const content = await contentOf(file, environment);
  const checked =
    content === undefined
      ? undefined
      : await alone[name](folderOf(file), content).safeParseAsync(field(content, name));
  if (checked?.success === true) return checked.data;
  const loaded = await loadConfiguration(file, environment);
  return 'problems' in loaded ? loaded : loaded.configuration[name];
}

/** The content, with its variables; undefined if it cannot be read as YAML. */
async function contentOf(file: string, environment: Environment): Promise<unknown> {
  const read = await readTextFile(file).catch(() => undefined);
  if (read === undefined) return undefined;
  const { source, findings } = parseSource(read.text);
  if (!source.isSound || findings.length > 0) return undefined;
  // A value whose variable is not set becomes null, which no key of these sections takes.
  replaceVariables(source, environment);
  return unreadableContent(source) === undefined ? source.document.toJS() : undefined;
}

function folderOf(file: string): string {
  return dirname(resolve(file));
}

function problemAt(file: string, { line, column }: Position, { code, message }: ProblemText): Problem {
  return { file, line, column, code, message };
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
