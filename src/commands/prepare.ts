import { loadBackends } from '../backends/load.ts';
import type { Backend } from '../backends/request.ts';
import type { Configuration, OutboxConfiguration, Problem } from '../config/configuration.ts';
import { loadOutbox } from '../config/load-outbox.ts';
import { loadConfiguration, problemAt } from '../config/load.ts';

/** All that is known before anything connects. */
export interface Prepared {
  readonly configuration: Configuration;
  readonly backends: readonly Backend[];
}

/** Loads a configuration and its callback modules; tells all problems on stderr, and gives undefined if there are any. */
export async function prepare(file: string): Promise<Prepared | undefined> {
  const configuration = await readConfiguration(file);
  if (configuration === undefined) return undefined;
  const { backends, failures } = await loadBackends(configuration.backends);
  if (failures.length === 0) return { configuration, backends };
  printProblems(
    failures.map(({ source, message }) =>
      problemAt(file, source.position, `the callback module of ${source.name} cannot be used: ${message}`),
    ),
  );
  return undefined;
}

/** Loads a configuration only; tells all problems on stderr, and gives undefined if there are any. */
export async function readConfiguration(file: string): Promise<Configuration | undefined> {
  const loaded = await loadConfiguration(file, process.env);
  if ('configuration' in loaded) return loaded.configuration;
  printProblems(loaded.problems);
  return undefined;
}

/** Loads what a configuration says of the outbox; tells all problems on stderr, and gives undefined if that is not good. */
export async function readOutboxConfiguration(file: string): Promise<OutboxConfiguration | undefined> {
  const loaded = await loadOutbox(file, process.env);
  if (!('problems' in loaded)) return loaded;
  printProblems(loaded.problems);
  return undefined;
}

/** One line for each, in the form that editors and CI systems understand. */
function printProblems(problems: readonly Problem[]): void {
  for (const { file, line, column, message } of problems) {
    process.stderr.write(`${file}:${line}:${column}: ${message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
  }
}
