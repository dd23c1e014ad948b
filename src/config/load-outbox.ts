import { dirname, resolve } from 'node:path';
import { completeOutbox } from './complete.ts';
import type { OutboxConfiguration, Problem } from './configuration.ts';
import { parseSource, unreadableContent } from './document.ts';
import { loadConfiguration } from './load.ts';
import { field } from './raw.ts';
import { fileSchema } from './schema.ts';
import { readTextFile } from './text-file.ts';
import { type Environment, replaceVariables } from './variables.ts';

/**
 * Reads the section `outbox` of a configuration file, for commands that need nothing else: an operator's shell need
 * not have the sidecar's secret. Gives every problem of the file if that section is not good.
 */
export async function loadOutbox(
  file: string,
  environment: Environment,
): Promise<OutboxConfiguration | { readonly problems: readonly Problem[] }> {
  const loaded = await loadConfiguration(file, environment);
  if ('configuration' in loaded) return loaded.configuration.outbox;
  return (await loadAlone(file, environment)) ?? loaded;
}

async function loadAlone(file: string, environment: Environment): Promise<OutboxConfiguration | undefined> {
  const read = await readTextFile(file).catch(() => undefined);
  if (read === undefined) return undefined;
  const { source, findings } = parseSource(read.text);
  if (!source.isSound || findings.length > 0) return undefined;
  // A value whose variable is not set becomes null, which no key of this section takes.
  replaceVariables(source, environment);
  if (unreadableContent(source) !== undefined) return undefined;
  const checked = fileSchema.shape.outbox.safeParse(field(source.document.toJS(), 'outbox'));
  return checked.success ? completeOutbox(checked.data, dirname(resolve(file))) : undefined;
}
