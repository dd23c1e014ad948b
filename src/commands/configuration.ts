import { type Bad, loadSection } from '../config/load.ts';
import type { Problem } from '../config/reader/problems.ts';
import type { Configuration } from '../config/sections/index.ts';
import { problemCodes } from '../schema/problem-codes.ts';

/** Tells what is wrong with a configuration. */
export type Tell = (problems: readonly Problem[]) => void;

/** One line for each on stderr, in the form that editors and CI systems understand. */
export const printProblems: Tell = (problems) => {
  for (const { file, line, column, code, message } of problems) {
    const severity = problemCodes[code].severity === 'error' ? '' : 'warning: ';
    process.stderr.write(`${file}:${line}:${column}: ${severity}${inOneLine(message)}\n`);
  }
};

/** One JSON object a line on stdout, for programs. */
export const printProblemsAsJson: Tell = (problems) => {
  for (const { file, line, column, code, message } of problems) {
    const { severity } = problemCodes[code];
    const record = { file, line, column, severity, code, message: inOneLine(message) };
    process.stdout.write(`${JSON.stringify(record)}\n`);
  }
};

/** What callback modules throw may have several lines. */
function inOneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, ' ');
}

/**
 * Reads one section of the configuration file, for a command that needs no other. If the file has errors, prints all
 * on stderr and gives undefined.
 */
export async function readSection<Name extends 'outbox' | 'telemetry'>(
  name: Name,
  file: string,
): Promise<Configuration[Name] | undefined> {
  const loaded: Configuration[Name] | Bad = await loadSection(name, file, process.env);
  if (!('problems' in loaded)) return loaded;
  // Warnings are for `run` and `check`.
  printProblems(loaded.problems.filter(({ code }) => problemCodes[code].severity === 'error'));
  return undefined;
}
