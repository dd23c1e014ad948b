import { loadBackends } from '../backends/callbacks/load.ts';
import type { Backend } from '../backends/backend.ts';
import { keepProcess, offerStanzaPackage } from '../backends/callbacks/environment.ts';
import { type Good, loadConfiguration } from '../config/load.ts';
import type { Problem } from '../config/reader/problems.ts';
import type { Configuration } from '../config/sections/index.ts';
import { nearest } from '../schema/nearest.ts';
import type { ProblemText } from '../schema/problem-codes.ts';
import { callbackNames } from '../core/callback-names.ts';
import type { Watchdog } from '../watchdog/watchdog.ts';
import type { Invocation } from './command.ts';
import type { Tell } from './configuration.ts';

const NO_WATCHDOG = { entered: () => undefined, loading: undefined };

/** All that is known before anything connects. */
export interface Loaded {
  readonly configuration: Configuration;
  readonly backends: readonly Backend[];
  /** To be called before each call of a callback that is not ours. */
  readonly entered: Watchdog['entered'];
}

/** Loads a configuration and its callback modules; tells all problems, and gives undefined if it cannot be used. */
export async function prepare(
  { file, version }: Pick<Invocation, 'file' | 'version'>,
  tell: Tell,
): Promise<Loaded | undefined> {
  const loaded = await loadConfiguration(file, process.env);
  tell('problems' in loaded ? loaded.problems : loaded.warnings);
  if ('problems' in loaded) return undefined;
  const { configuration } = loaded;
  const { entered, loading } = await surround(configuration, version);
  const { backends, failures, others } = await loadBackends(configuration.backends, loading);
  tell(others.flatMap(({ source, names }) => misspelt(source, names, loaded)));
  if (failures.length === 0) return { configuration, backends, entered };
  tell(
    failures.map(({ source, message }) => {
      const text = `the callback module of ${source.name} cannot be used: ${message}`;
      return problemOf(source, { code: 'unusable-callback-module', message: text }, loaded);
    }),
  );
  return undefined;
}

type ConfiguredBackend = Configuration['backends'][number];

function problemOf(source: ConfiguredBackend, text: ProblemText, loaded: Good): Problem {
  return loaded.problemOf(loaded.configuration.backends.indexOf(source), text);
}

/** Warns of each function that was probably meant as a callback: nothing would ever call it. */
function misspelt(source: ConfiguredBackend, functions: readonly string[], loaded: Good): Problem[] {
  return functions.flatMap((found) => {
    const meant = nearest(found, callbackNames);
    if (meant === undefined) return [];
    const message = `the callback module of ${source.name} exports ${found}, which is not a callback: did you mean ${meant}?`;
    return [problemOf(source, { code: 'misspelt-callback', message }, loaded)];
  });
}

/** Prepares the process for callback modules, if there are any. */
async function surround(
  { backends, callbackStallLimitMs }: Configuration,
  version: string,
): Promise<Watchdog | typeof NO_WATCHDOG> {
  if (backends.every(({ callbackModule }) => callbackModule === undefined)) return NO_WATCHDOG;
  const { startWatchdog } = await import('../watchdog/watchdog.ts');
  const names = backends.map(({ name }) => name);
  const watchdog = await startWatchdog({ limitMs: callbackStallLimitMs, backends: names, version });
  keepProcess();
  offerStanzaPackage();
  return watchdog;
}
