import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Configuration } from '../../src/config/sections/index.ts';
import { type Bad, type Good, loadConfiguration } from '../../src/config/load.ts';
import { problemCodes, type Severity } from '../../src/schema/problem-codes.ts';

export interface LoadOptions {
  readonly environment?: Record<string, string>;
  /** Contents of files beside the configuration, by their relative paths. */
  readonly files?: Record<string, string | Buffer>;
}

/** A good configuration, to be spoilt; the first lines are of the component section. */
export const good = `component:
  service: xmpp://127.0.0.1:5347
  domain: push.example.com
  secret: swordfish
outgoing_pools:
  - tag: http_pool
    server: http://localhost:8000
mod_event_pusher:
  backends:
    - http:
        pool_name: http_pool
`;

/** The good configuration with one text replaced by another. */
export function spoilt(from: string, to: string): string {
  if (!good.includes(from)) throw new Error(`the good configuration has no ${from}`);
  return good.replace(from, () => to);
}

/** The good configuration with a line more, so that there is nothing to warn of either. */
export const trusting = spoilt('  secret:', '  trusted_domains: [example.com]\n  secret:');

/** A folder with these files in it, until the test is over. */
export async function folderWith(files: Record<string, string | Buffer>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'event-pusher-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** The errors of a configuration, as `LINE:COLUMN: message`; the folder of the file is shown as DIR. */
export async function problemsOf(text: string | Buffer, options: LoadOptions = {}): Promise<string[]> {
  const { loaded, folder } = await loadText(text, options);
  const errors = linesOf(loaded, 'error', folder);
  expect('problems' in loaded).toBe(errors.length > 0);
  return errors;
}

/** The warnings in the same form, whether there are errors or not. */
export async function warningsOf(text: string, options: LoadOptions = {}): Promise<string[]> {
  const { loaded, folder } = await loadText(text, options);
  return linesOf(loaded, 'warning', folder);
}

/** What a configuration in this folder has of one severity. */
export function linesOf(loaded: Good | Bad, severity: Severity, folder: string): string[] {
  const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
  return problems
    .filter(({ code }) => problemCodes[code].severity === severity)
    .map(({ line, column, message }) => `${line}:${column}: ${message}`.replaceAll(folder, 'DIR'));
}

async function loadText(text: string | Buffer, { environment = {}, files = {} }: LoadOptions) {
  const folder = await folderWith({ ...files, 'event-pusher.yaml': text });
  return { folder, loaded: await loadConfiguration(join(folder, 'event-pusher.yaml'), environment) };
}

/** A configuration that has to be good. */
export async function load(text: string, options: LoadOptions = {}): Promise<Configuration> {
  return (await loadGood(text, options)).configuration;
}

/** The same, with its warnings and what finds positions. */
export async function loadGood(text: string, options: LoadOptions = {}): Promise<Good> {
  const { loaded } = await loadText(text, options);
  if ('problems' in loaded) return expect.unreachable(JSON.stringify(loaded.problems));
  return loaded;
}
