import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allow } from '../support/limits.ts';

allow('processes');

const root = fileURLToPath(new URL('../../', import.meta.url));
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const examples = readdirSync(join(root, 'config/callbacks')).map((name) => `callbacks/${name}`);
/** A project of a user, in which the package is installed. */
const project = mkdtempSync(join(tmpdir(), 'callback-types-'));

const typed = `
import type { CallbackModule, CallbackOptions, Direction, Jid, Stanza, StanzaEvent } from 'xmpp-event-pusher';

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

/** What the compiler says of all files of the project, started once because that takes seconds. */
let said: readonly string[];

beforeAll(async () => {
  if (!existsSync(join(root, 'dist/core/callback.d.ts')))
    throw new Error('dist is missing: run `npm run build` first');
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(root, join(project, 'node_modules/xmpp-event-pusher'));
  cpSync(join(root, 'config/callbacks'), join(project, 'callbacks'), { recursive: true });
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(project, 'right.ts'), typed);
  writeFileSync(
    join(project, 'wrong.ts'),
    typed.replace("{ prepareBody: () => '' }", '{ prepareBody: () => 7 }'),
  );
  said = await compile(['right.ts', 'wrong.ts', ...examples]);
}, 60_000);
afterAll(() => rmSync(project, { recursive: true }));

function compile(files: readonly string[]): Promise<string[]> {
  const flags =
    '--ignoreConfig --noEmit --strict --allowJs --checkJs --module nodenext --target es2023'.split(' ');
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, ...flags, ...files], { cwd: project }, (_error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.trim().split('\n')),
    );
  });
}

const saidOf = (file: string) => said.filter((line) => line.startsWith(`${file}(`));

describe('the types of callback modules', () => {
  it('come with the package, and say what is right and what is wrong', () => {
    expect(saidOf('right.ts')).toEqual([]);
  });

  it('are seen to fail', () => {
    expect(saidOf('wrong.ts')).toEqual([expect.stringMatching(/^wrong\.ts\(\d+,\d+\): error TS2322: /)]);
  });

  it('fit the example modules, which are JavaScript', () => {
    expect(examples.length).toBeGreaterThan(1);
    expect(examples.flatMap(saidOf)).toEqual([]);
  });

  it('leave nothing else for the compiler to say', () => {
    expect(said.filter((line) => /^\S/.test(line))).toEqual(saidOf('wrong.ts'));
  });
});
