import { z } from 'zod';
import { nameForm, pathForm, tagForm } from '../../schema/forms.ts';
import { nearest } from '../../schema/nearest.ts';
import { field, itemsOf, textOf } from '../../schema/raw.ts';
import { section } from '../../schema/section.ts';
import { anySection, milliseconds, text } from '../../schema/values.ts';
import type { Report } from '../reader/problems.ts';
import { callbackModule } from './callback-module.ts';
import { rawPools } from './outgoing-pools.ts';

/** What is done with events. */
export function modEventPusher(folder: string) {
  return section({
    backends: z
      .array(section({ http: httpBackend(folder) }).transform(({ http }) => http))
      .transform(named)
      .describe('Each event is offered to each backend, in this order.'),
    callbackTimeoutMs: milliseconds(1)
      .default(5000)
      .describe('Milliseconds after which a callback that has not finished counts as failed.'),
    callbackStallLimitMs: milliseconds(1000)
      .default(10_000)
      .describe(
        'Milliseconds that a callback module may block the main thread; then the process ends and must be restarted.',
      ),
  }).describe('What is done with events.');
}

function httpBackend(folder: string) {
  return section({
    name: text(nameForm)
      .exactOptional()
      .describe(
        'Unique name for logs and metrics; by default pool_name and path (without query), then #2, #3.',
      ),
    poolName: text(tagForm).describe(
      "Tag of the outgoing pool: the pool of the sender's host if there is one, else the global pool.",
    ),
    path: text(pathForm)
      .default('')
      .describe("Part of the URL after the pool's path_prefix; a query is kept."),
    callbackModule: callbackModule(folder)
      .exactOptional()
      .describe('Your code that makes the requests: a path relative to this file, or a package name.'),
    options: anySection().describe('Any values; the callback module gets them unchanged.'),
  }).describe('A backend that sends HTTP requests.');
}

interface Unnamed {
  readonly name?: string;
  readonly poolName: string;
  readonly path: string;
}

/** Each backend with a name of its own. */
function named<Backend extends Unnamed>(
  backends: readonly Backend[],
): (Backend & { readonly name: string })[] {
  const taken = new Set(backends.map(({ name }) => name));
  return backends.map((backend) => {
    const name = backend.name ?? freeName(defaultName(backend), taken);
    taken.add(name);
    return { ...backend, name };
  });
}

/** Without the query of the path, which may hold a key that neither logs nor metrics should show. */
function defaultName({ poolName, path }: Unnamed): string {
  return poolName + path.replace(/\?.*$/, '');
}

/** The wanted name, or the first of `wanted#2`, `wanted#3`, … that nobody has. */
function freeName(wanted: string, taken: ReadonlySet<string | undefined>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number += 1) name = `${wanted}#${number}`;
  return name;
}

/** Where the problem belongs that a callback module cannot be loaded: at its key, or at a backend without the key. */
export function callbackModulePath(backend: number): readonly PropertyKey[] {
  return ['mod_event_pusher', 'backends', backend, 'http', 'callback_module'];
}

/** Checks what no single backend shows, in the content as it came. */
export function checkModEventPusher(content: unknown, report: Report): void {
  const backends = itemsOf(field(content, 'mod_event_pusher'), 'backends').map((entry) =>
    field(entry, 'http'),
  );
  checkNames(backends, report);
  checkPoolNames(backends, content, report);
}

function checkNames(backends: readonly unknown[], report: Report): void {
  const names = backends.map((backend) => textOf(backend, 'name'));
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name);
    if (name === undefined || first === index) continue;
    const message = `is the name of mod_event_pusher.backends[${first}] too: names must differ`;
    report(['mod_event_pusher', 'backends', index, 'http', 'name'], 'duplicate', message);
  }
}

function checkPoolNames(backends: readonly unknown[], content: unknown, report: Report): void {
  const pools = rawPools(content);
  const tags = pools.map(({ tag }) => tag).filter((tag) => tag !== undefined);
  // A pool without a usable tag may be the one that is meant.
  if (tags.length < pools.length) return;
  for (const [index, backend] of backends.entries()) {
    const poolName = textOf(backend, 'pool_name');
    if (poolName === undefined || tags.includes(poolName)) continue;
    const meant = nearest(poolName, tags);
    const remedy = meant === undefined ? `there are ${tags.join(', ') || 'none'}` : `did you mean ${meant}?`;
    const message = `names no outgoing pool: none has the tag ${poolName}; ${remedy}`;
    report(['mod_event_pusher', 'backends', index, 'http', 'pool_name'], 'unknown-pool', message);
  }
}
