import { dirname, resolve } from 'node:path';
import { completeOutbox } from './complete.ts';
import type { Configuration, OutboxConfiguration, Problem, TelemetryConfiguration } from './configuration.ts';
import { parseSource, unreadableContent } from './document.ts';
import { type Loaded, loadConfiguration } from './load.ts';
import { field } from './raw.ts';
import { type CheckedFile, fileSchema } from './schema.ts';
import { readTextFile } from './text-file.ts';
import { type Environment, replaceVariables } from './variables.ts';

/** Every problem of a file whose section is not good. */
interface Problems {
  readonly problems: readonly Problem[];
}

/**
 * Reads the section `outbox` of a configuration file, for commands that need nothing else: an operator's shell need
 * not have the sidecar's secret.
 */
export async function loadOutbox(
  file: string,
  environment: Environment,
): Promise<OutboxConfiguration | Problems> {
  const checked = await loadAlone(file, environment, 'outbox');
  if (checked !== undefined) return completeOutbox(checked, dirname(resolve(file)));
  return fromWhole(await loadConfiguration(file, environment), 'outbox');
}

/** Reads the section `telemetry`, for who asks a running sidecar. */
export async function loadTelemetry(
  file: string,
  environment: Environment,
): Promise<TelemetryConfiguration | Problems> {
  const checked = await loadAlone(file, environment, 'telemetry');
  return checked ?? fromWhole(await loadConfiguration(file, environment), 'telemetry');
}

type SectionName = 'outbox' | 'telemetry';

/** A section that is good, whatever the others are. */
async function loadAlone<Name extends SectionName>(
  file: string,
  environment: Environment,
  name: Name,
): Promise<CheckedFile[Name] | undefined> {
  const content = await contentOf(file, environment);
  if (content === undefined) return undefined;
  const checked = fileSchema.shape[name].safeParse(field(content, name));
  return checked.success ? (checked.data as CheckedFile[Name]) : undefined;
}

function fromWhole<Name extends SectionName>(loaded: Loaded, name: Name): Configuration[Name] | Problems {
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
