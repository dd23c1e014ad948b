import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const flags = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023'];

/** Compiles in a folder in which the package is installed; gives what the compiler says, '' if nothing. */
async function compile(files: readonly string[], folder: string): Promise<string> {
  if (!existsSync(join(root, 'dist/core/callback.d.ts')))
    throw new Error('dist is missing: run `npm run build` first');
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [compiler, ...flags, ...files], {
      cwd: folder,
    });
    return stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

/** A project of a user, in which the package is installed. */
function project(sources: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'callback-types-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'xmpp-event-pusher'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, name), text);
  return folder;
}

const typed = `
import type { CallbackModule, CallbackOptions, Direction, Jid, Stanza, StanzaEvent } from 'xmpp-event-pusher';
import { allow } from '../support/limits.ts';

allow('processes');

export const shouldMakeReq: CallbackModule['shouldMakeReq'] = async ({ dir, packet, acc }) =>
  dir === 'in' && packet.is('message') && !acc.has('seen');

class Alerts implements CallbackModule {
  prepareHeaders(event: StanzaEvent, options: CallbackOptions) {
    const direction: Direction = event.dir;
    return { 'x-direction': direction, 'x-pool': options.pool_name };
  }
  prepareBody({ from, to, packet, receivedAtMs }: StanzaEvent) {
    const addresses: Jid[] = [from.bare(), to];
    const stanza: Stanza = packet;
    return new TextEncoder().encode(addresses.join() + stanza.getName() + receivedAtMs.toFixed());
  }
}
export default new Alerts();

export const partial = { prepareBody: () => '' } satisfies CallbackModule;

// @ts-expect-error: there is no such callback
export const misspelt = { shouldMakeRequest: () => true } satisfies CallbackModule;
// @ts-expect-error: headers are strings
export const headers = { prepareHeaders: () => ({ retries: 3 }) } satisfies CallbackModule;
// @ts-expect-error: a body is a string or bytes
export const body = { prepareBody: () => ({ text: 'Hi' }) } satisfies CallbackModule;
export const event = {
  // @ts-expect-error: dir is 'in' or 'out'
  shouldMakeReq: ({ dir }) => dir === 'sent',
  // @ts-expect-error: an event has no such field
  prepareBody: ({ body }) => String(body),
} satisfies CallbackModule;
export const stanza = {
  // @ts-expect-error: a stanza is an Element, not any
  prepareBody: ({ packet }) => packet.noSuchMethod(),
} satisfies CallbackModule;
export const changed = {
  // @ts-expect-error: events are read only
  shouldMakeReq: (event) => (event.message = ''),
} satisfies CallbackModule;
export const options = {
  // @ts-expect-error: an option is unknown until it is looked at
  shouldMakeReq: (_event, { threshold }) => threshold > 1,
} satisfies CallbackModule;
`;

describe('the types of callback modules', () => {
  it('come with the package, and say what is right and what is wrong', async () => {
    expect(await compile(['callbacks.ts'], project({ 'callbacks.ts': typed }))).toBe('');
  });

  it('are seen to fail', async () => {
    const wrong = typed.replace("{ prepareBody: () => '' }", '{ prepareBody: () => 7 }');
    expect(await compile(['callbacks.ts'], project({ 'callbacks.ts': wrong }))).toMatch(
      /callbacks\.ts\(\d+,\d+\): error TS/,
    );
  });

  it('fit the example modules, which are JavaScript', async () => {
    const examples = readdirSync(join(root, 'config/callbacks')).map((name) =>
      join('config/callbacks', name),
    );
    expect(examples.length).toBeGreaterThan(1);
    expect(await compile(['--allowJs', '--checkJs', ...examples], root)).toBe('');
  });
});
