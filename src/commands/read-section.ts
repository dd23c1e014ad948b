import type { OutboxConfiguration, Problem, TelemetryConfiguration } from '../config/configuration.ts';
import { loadOutbox, loadTelemetry } from '../config/load-section.ts';
import { problemCodes } from '../schema/problem-codes.ts';
import { printProblems } from './problems.ts';

/** What a configuration says of the outbox; tells all errors on stderr, and gives undefined if that is not good. */
export async function readOutbox(file: string): Promise<OutboxConfiguration | undefined> {
  return goodOrTold(await loadOutbox(file, process.env));
}

/** The same of the telemetry listener. */
export async function readTelemetry(file: string): Promise<TelemetryConfiguration | undefined> {
  return goodOrTold(await loadTelemetry(file, process.env));
}

function goodOrTold<Section extends object>(
  loaded: Section | { readonly problems: readonly Problem[] },
): Section | undefined {
  if (!('problems' in loaded)) return loaded;
  // Warnings are for those who run it or check it.
  printProblems(loaded.problems.filter(({ code }) => problemCodes[code].severity === 'error'));
  return undefined;
}
