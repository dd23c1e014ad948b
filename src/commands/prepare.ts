import { loadBackends } from '../backends/load.ts';
import { keepProcess } from '../backends/process-end.ts';
import type { Backend } from '../backends/request.ts';
import { offerStanzaPackage } from '../backends/stanza-package.ts';
import type { Configuration, OutboxConfiguration } from '../config/configuration.ts';
import { loadOutbox } from '../config/load-outbox.ts';
import { loadConfiguration, problemAt } from '../config/load.ts';
import { printProblems, type Tell } from './problems.ts';

/** All that is known before anything connects. */
export interface Prepared {
  readonly configuration: Configuration;
  readonly backends: readonly Backend[];
}

/** Loads a configuration and its callback modules; tells all problems, and gives undefined if it cannot be used. */
export async function prepare(file: string, tell: Tell): Promise<Prepared | undefined> {
  const loaded = await loadConfiguration(file, process.env);
  tell('problems' in loaded ? loaded.problems : loaded.warnings);
  if ('problems' in loaded) return undefined;
  const { configuration } = loaded;
  if (configuration.backends.some(({ callbackModule }) => callbackModule !== undefined)) {
    keepProcess();
    offerStanzaPackage();
  }
  const { backends, failures } = await loadBackends(configuration.backends);
  if (failures.length === 0) return { configuration, backends };
  tell(
    failures.map(({ source, message }) =>
      problemAt(file, source.position, {
        code: 'unusable-callback-module',
        message: `the callback module of ${source.name} cannot be used: ${message}`,
      }),
    ),
  );
  return undefined;
}

/** Loads a configuration only; if it cannot be used, tells all problems on stderr, and gives undefined. */
export async function readConfiguration(file: string): Promise<Configuration | undefined> {
  const loaded = await loadConfiguration(file, process.env);
  if (!('problems' in loaded)) return loaded.configuration;
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
