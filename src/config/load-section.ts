import { dirname, resolve } from 'node:path';
import { completeOutbox } from './complete.ts';
import type { OutboxConfiguration, Problem, TelemetryConfiguration } from './configuration.ts';
import { parseSource, unreadableContent } from './document.ts';
import { loadConfiguration } from './load.ts';
import { field } from './raw.ts';
import { fileSchema } from './schema.ts';
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
  const content = await contentOf(file, environment);
  const checked = fileSchema.shape.outbox.safeParse(field(content, 'outbox'));
  if (content !== undefined && checked.success) return completeOutbox(checked.data, dirname(resolve(file)));
  const loaded = await loadConfiguration(file, environment);
  return 'problems' in loaded ? loaded : loaded.configuration.outbox;
}

/** Reads the section `telemetry`, for who asks a running sidecar. */
export async function loadTelemetry(
  file: string,
  environment: Environment,
): Promise<TelemetryConfiguration | Problems> {
  const content = await contentOf(file, environment);
  const checked = fileSchema.shape.telemetry.safeParse(field(content, 'telemetry'));
  if (content !== undefined && checked.success) return checked.data;
  const loaded = await loadConfiguration(file, environment);
  return 'problems' in loaded ? loaded : loaded.configuration.telemetry;
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
