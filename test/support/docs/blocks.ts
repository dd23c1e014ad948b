import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { loadBackends } from '../../../src/backends/callbacks/load.ts';
import { payloads } from '../../../src/backends/payloads/index.ts';
import { commands } from '../../../src/commands/index.ts';
import { loadConfiguration } from '../../../src/config/load.ts';
import type { Configuration } from '../../../src/config/sections/index.ts';
import { FORMAT } from '../../../src/outbox/lmdb/database.js';
import { callBackend } from '../backend.ts';
import { leftBehind } from '../dead-letters.ts';
import { notification } from '../notification.ts';
import { type Block, blocksOf, readPage } from '../pages.ts';
import { eventOf } from '../stanza.ts';
import { measurements } from './tables.ts';

const root = new URL('../../../', import.meta.url);

type BlockCheck = (block: Block, path: string) => Promise<void> | void;

/** Another test runs the blocks of this page. */
const heldBy =
  (test: string): BlockCheck =>
  (_block, path) =>
    expect(readPage(test)).toContain(path.replace(/\/README\.md$/, '/'));

/** What holds each block of code, in the order of the page; one check for a whole page says that another test does. */
export const blocks: Readonly<Record<string, readonly BlockCheck[] | BlockCheck>> = {
  'README.md': [isText, isKnownToTheShell, isAConfiguration, isKnownToTheShell, isAReceiver, isTheWordUrgent],
  'config/backup.md': heldBy('test/deployment/backup.test.ts'),
  'config/callbacks.md': [isLoadedWithTheNext, ({ language }) => expect(language).toBe('yaml')],
  'config/commands.md': [isATranscript],
  'config/configuration.md': [isAConfiguration],
  'config/containers/README.md': isKnownToCompose,
  'config/delivery.md': [isTheDefaultRequest],
  'config/ejabberd/README.md': isHeldByThePagesOfServers,
  'config/mongooseim/README.md': isHeldByThePagesOfServers,
  'config/prosody/README.md': isHeldByThePagesOfServers,
  'config/security.md': [isText],
  'config/upgrade.md': [isKnownToCompose, isTheRefusalOfANewerFormat],
  'src/README.md': isText,
  '.github/CONTRIBUTING.md': isKnownToTheShell,
};

/** No language: a picture or a text to adapt, not code. */
function isText({ language }: Block): void {
  expect(language).toBe('');
}

/** test/servers/pages.test.ts has a check for each block of these pages, and runs or loads it. */
function isHeldByThePagesOfServers(_block: Block, path: string): void {
  const [, server = ''] = /^config\/(\w+)\/README\.md$/.exec(path) ?? [];
  expect(readPage('test/servers/pages.test.ts')).toMatch(new RegExp(`^  ${server}: \\[`, 'm'));
}

/** Every script that it runs with npm is in package.json, every command is one of ours, and so is the tarball. */
function isKnownToTheShell({ language, text }: Block): void {
  expect(language).toBe('sh');
  const { scripts, version } = JSON.parse(readPage('package.json')) as {
    scripts: Record<string, string>;
    version: string;
  };
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    for (const [, script = ''] of line.matchAll(/\bnpm run (?:-s )?([\w:]+)/g))
      expect(scripts).toHaveProperty(script);
    for (const [, file = ''] of line.matchAll(
      /(?:^node |^npm test -- |vitest run --config \S+ |one-stanza\.mjs )(?:--\S+ )?(\S+)/g,
    ))
      expect(existsSync(new URL(file, root)), line).toBe(true);
    const [, test = '', title = ''] = /^npx vitest .* (\S+) -t '(.*)'$/.exec(line) ?? [];
    if (test !== '') expect(readPage(test)).toContain(`describe('${title}'`);
    for (const [, only = ''] of line.matchAll(/npm run bench -- --only (\S+)/g))
      expect(measurements()).toEqual(expect.arrayContaining(only.split(',')));
    for (const [, command = ''] of line.matchAll(/(?:^|\/|sidecar )xmpp-event-pusher ([a-z-]+)/g))
      expect(commands, line).toHaveProperty(command);
    for (const [, tarball] of line.matchAll(/\.\/xmpp-event-pusher-(?!1\.2\.3)([\d.]+)\.tgz/g))
      expect(tarball).toBe(version);
  }
}

/** The services of docker-compose.yml are what its commands name. */
function isKnownToCompose(block: Block): void {
  isKnownToTheShell(block);
  const { services } = parse(readPage('docker-compose.yml')) as { services: object };
  const named = block.text.matchAll(
    /^docker compose (?:run|logs|exec|stop|start|kill)(?: --?\S+(?: XMPP\S+)?)* (\S+)/gm,
  );
  for (const [line, service = ''] of named) expect(services, line).toHaveProperty(service);
  for (const [, profile = ''] of block.text.matchAll(/--profile (\w+)/g))
    expect(readPage('docker-compose.yml')).toContain(`profiles: [${profile}]`);
}

async function folderFor(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pages-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'callbacks'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** Loads a configuration; one that has no component gets the README's. */
async function loadFrom(text: string, files: Readonly<Record<string, string>> = {}): Promise<Configuration> {
  const [component = ''] = /^component:\n(?: .*\n)+/m.exec(readPage('README.md')) ?? [];
  const whole = text.includes('component:') ? text : component + text;
  const folder = await folderFor({ 'event-pusher.yaml': whole, ...files });
  const loaded = await loadConfiguration(join(folder, 'event-pusher.yaml'), {
    XMPP_COMPONENT_SECRET: 'secret',
  });
  if ('problems' in loaded) expect.unreachable(JSON.stringify(loaded.problems));
  return loaded.configuration;
}

async function isAConfiguration({ language, text }: Block): Promise<void> {
  expect(language).toBe('yaml');
  const { backends } = await loadFrom(text, { 'audit.mjs': 'export const shouldMakeReq = () => true;' });
  expect((await loadBackends(backends)).failures).toEqual([]);
}

const chat = (body: string) =>
  eventOf(`<message from='alice@localhost' to='bob@localhost' type='chat'><body>${body}</body></message>`);

/** The line listens, responds with 200, and prints what came; here on another port. */
async function isAReceiver({ text }: Block): Promise<void> {
  expect(text).toContain('.listen(8000)');
  const anyPort = '0, "127.0.0.1", function () { console.log(this.address().port); }';
  const line = `exec ${text.trimEnd().replace('8000', anyPort)}`;
  const receiver = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void receiver.kill());
  const printed = createInterface(receiver.stdout)[Symbol.asyncIterator]();
  const port = Number((await printed.next()).value);
  const body = 'author=alice&message=Hi%2C+Bob%21\n';
  expect((await fetch(`http://127.0.0.1:${port}/notifications`, { method: 'POST', body })).status).toBe(200);
  expect((await printed.next()).value).toBe(body.trimEnd());
}

async function isTheWordUrgent({ language, text }: Block): Promise<void> {
  expect(language).toBe('js');
  const module = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as {
    shouldMakeReq: (event: unknown) => unknown;
  };
  expect(module.shouldMakeReq(chat('an urgent matter'))).toBe(true);
  expect(module.shouldMakeReq(chat('calm'))).toBe(false);
}

/** The module and the backend below it, in the README's configuration: both do what their page says. */
async function isLoadedWithTheNext({ text: module }: Block, path: string): Promise<void> {
  const [, backend] = blocksOf(readPage(path));
  const [, readme] = blocksOf(readPage('README.md')).filter(
    ({ language }) => language === 'yaml' || language === 'sh',
  );
  const text = `${readme?.text}${backend?.text.replace('alerts.js', 'alerts.mjs')}`;
  const { backends: configured } = await loadFrom(text, { 'callbacks/alerts.mjs': module });
  const { backends, failures } = await loadBackends(configured);
  expect(failures).toEqual([]);
  const [chats, alerts] = backends;
  expect(chats?.path).toBe('/notifications');
  expect(alerts?.options).toEqual({ pool_name: 'http_pool', path: '/alerts', word: 'urgent' });
  expect(await callBackend(alerts!, chat('urgent!'))).toMatchObject({
    isWanted: true,
    headers: { 'content-type': 'application/json' },
    body: '{"sender":"alice","receiver":"bob","message":"urgent!"}',
  });
  expect(await callBackend(alerts!, chat('calm'))).toMatchObject({ isWanted: false });
}

/** What a backend without a callback module makes of "Hi, Bob!". */
async function isTheDefaultRequest({ language, text }: Block): Promise<void> {
  expect(language).toBe('http');
  const options = { pool_name: 'http_pool', path: '/notifications' };
  const backend = { name: 'chats', poolName: 'http_pool', path: '/notifications', callbacks: {}, options };
  const made = await callBackend({ ...backend, payload: payloads.form }, chat('Hi, Bob!'));
  const headers = Object.entries(made.headers).map(([name, value]) => `${name}: ${value}`);
  expect(text).toBe(
    `POST /webservice/notifications HTTP/1.1\n${headers.join('\n')}\n\n${String(made.body)}\n`,
  );
}

/** The commands of the transcript, run on an outbox with these two letters, print what stands below each. */
async function isATranscript({ text }: Block): Promise<void> {
  const common = { host: 'localhost', sender: 'alice@localhost', pool: 'http_pool' };
  const attempt = { outcome: '4xx', status: 410, durationSeconds: 1 } as const;
  const { run } = await leftBehind([
    {
      notification: notification({
        ...common,
        id: '0f9d0a6c-5a3e-4c1b-9a57-2f1f9f0a7c11',
        backend: 'chats',
        receiver: 'bob@localhost',
      }),
      reason: 'rejected',
      diedAtMs: Date.parse('2026-11-24T09:31:04Z'),
      attempts: 1,
      attempt,
    },
    {
      notification: notification({
        ...common,
        id: '7b0c2f0e-3d53-49a0-8a0e-6d5f3a3f1d52',
        backend: 'alerts',
        receiver: 'eve@localhost',
      }),
      reason: 'callback',
      diedAtMs: Date.parse('2026-11-24T09:32:40Z'),
      attempts: 0,
    },
  ]);
  const narrow = (printed: string): string => printed.replaceAll(/ {2,}/g, '  ').trimEnd();
  for (const part of text.split(/^\$ /m).slice(1)) {
    const [command = '', ...printed] = part.split('\n');
    const [, , ...words] = command.split(' ');
    expect(command).toBe(`xmpp-event-pusher dead-letters ${words.join(' ')}`);
    const { stdout, stderr } = await run(...words);
    expect(narrow(stdout + stderr), command).toBe(narrow(printed.join('\n')));
  }
}

/** The refusal of a newer outbox, as test/outbox/lmdb.test.ts sees it. */
function isTheRefusalOfANewerFormat({ text }: Block): void {
  expect(text).toContain(`(format ${FORMAT + 1}, this one knows ${FORMAT})`);
}
