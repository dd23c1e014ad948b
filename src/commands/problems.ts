import type { Problem } from '../config/configuration.ts';
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
