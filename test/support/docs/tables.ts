import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { exitCodes } from '../../../src/commands/command.ts';
import { list } from '../../../src/commands/dead-letters/list.ts';
import { commands } from '../../../src/commands/index.ts';
import { problemCodes } from '../../../src/schema/problem-codes.ts';
import { callbackNames } from '../../../src/core/callback-names.ts';
import { outcomes } from '../../../src/core/delivery.ts';
import { discardReasons } from '../../../src/core/discard-reasons.ts';
import { type DisconnectReason, disconnectReasons, refusalOf } from '../../../src/core/disconnect-reasons.ts';
import { levelsOf, logEvents } from '../../../src/telemetry/log-events.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { serveTelemetry } from '../../../src/telemetry/server.ts';
import { taps } from '../../../src/xmpp/taps/index.ts';
import { readPage, type Table } from '../pages.ts';
import { eventOf } from '../stanza.ts';
import { defaultOf } from './defaults.ts';

const byText = (a = '', b = ''): number => (a < b ? -1 : 1);
const firstCells = ({ rows }: Table): string[] => rows.map(([first]) => first ?? '');

type TableCheck = (table: Table, path: string) => Promise<void> | void;

/** What holds each table, by its page and its first line. */
export const tables: Readonly<Record<string, Readonly<Record<string, TableCheck>>>> = {
  'README.md': { 'server | tap | page': namesTestedVersions, 'page | for': linksOnly },
  'config/README.md': { 'page | what it tells': linksOnly, 'file | what it is': linksOnly },
  'config/backup.md': { 'promise | test': namesATest },
  'config/callbacks.md': {
    'MongooseIM | here | returns': namesTheCallbacks,
    'field of the event | what it is': namesTheFieldsOfAnEvent,
    'what a callback does | what happens then | test': namesATest,
  },
  'config/commands.md': {
    'command | does': namesTheCommands,
    'exit code | means': ({ rows }) =>
      expect(new Set(rows.map(([code]) => Number(code)))).toEqual(new Set(Object.values(exitCodes))),
    'filter | chooses': (table) =>
      expect(['--json', ...firstCells(table)]).toEqual(
        Object.keys(list.options ?? {}).map((name) => `--${name}`),
      ),
  },
  'config/configuration.md': { 'code | severity | means': namesTheProblemCodes },
  'config/containers/README.md': { ' | ': isFilled },
  'config/delivery.md': { 'response | then': namesTheRetriedStatuses },
  'config/ejabberd/README.md': {
    ' | mod_event_pusher_tap (here) | mod_service_log (part of ejabberd)': isFilled,
    'option | default | ': namesTheOptions('config/ejabberd/mod_event_pusher_tap.erl'),
  },
  'config/log.md': {
    'event | level | says': namesTheEvents,
    'code | what ended the connection, or the attempt to connect | next attempt after': (table) =>
      expect(table.rows.map(([code, , next]) => [code, next])).toEqual(
        disconnectReasons.map((reason) => [reason, nextAttemptAfter(reason)]),
      ),
  },
  'config/metrics.md': { 'path | response': namesThePaths, 'metric | labels | counts': namesTheMetrics },
  'config/mongooseim/README.md': {
    ' | what comes | in xmpp-event-pusher': isFilled,
    'MongooseIM | here | why | test': namesATest,
  },
  'config/performance.md': { 'measured | target | Node 20.20.2 | Node 24.21.0': namesTheTargets },
  'config/promises.md': { 'promise | test': namesATest },
  'config/prosody/README.md': {
    ' | mod_event_pusher_tap (here) | mod_firewall (prosody-modules)': isFilled,
    'option | default | ': namesTheOptions('config/prosody/mod_event_pusher_tap.lua'),
  },
  'config/security.md': {
    'way in | what comes': isFilled,
    'what | how long': isFilled,
    'what | how': isFilled,
    'promise | test': namesATest,
  },
  'config/taps.md': {
    'tap | takes': (table) =>
      expect(firstCells(table).toSorted(byText)).toEqual(Object.keys(taps).toSorted(byText)),
    'reason | what it was': (table) => expect(firstCells(table)).toEqual([...discardReasons]),
  },
  'config/troubleshooting.md': {
    'symptom | look at | do': isFilled,
    'event | symptom | look at | do': namesTheSevereEvents,
  },
  'config/upgrade.md': {
    'way in | what happens to stanzas that are sent meanwhile': isFilled,
    'promise | test': namesATest,
  },
  'src/README.md': {
    'what | where': isFilled,
    'door | waits for': namesDoors,
    'dependency | why': namesTheDependencies,
  },
  'src/costs.md': { 'code | costs the reader | buys | see it again': namesCodeAndMeasurement },
  'src/glossary.md': { 'word | means': namesWordsOfTheCode },
};

/** A table of words only: no cell is empty except the first of the heading. */
function isFilled({ rows }: Table): void {
  for (const row of rows)
    expect(
      row.filter((cell) => cell === ''),
      row[0],
    ).toEqual([]);
}

/** When a session tries again after this end of a connection: the longest waits are those after a refusal. */
function nextAttemptAfter(reason: DisconnectReason): string {
  if (reason === 'stopped') return 'never';
  return refusalOf(reason) === undefined ? '0.1 to 1 s' : '0.5 s, doubled up to 60 s';
}

/** The test for links follows them. */
function linksOnly({ rows }: Table): void {
  for (const [first] of rows) expect(first).toMatch(/\]\(|in the sources\)$/);
}

/** Each row names a test file and a title in it. */
function namesATest({ rows }: Table): void {
  expect(rows.length).toBeGreaterThan(3);
  for (const row of rows) {
    const [, file = '', title = ''] = /^(\S+): (.+)$/.exec(row.at(-1) ?? '') ?? [];
    expect(file, row[0]).toMatch(/^test\//);
    expect(readPage(file).includes(title), row.join(': ')).toBe(true);
  }
}

/** The versions of each server are those with which its own page says that it was tried. */
function namesTestedVersions({ rows }: Table): void {
  for (const [server = '', , page = ''] of rows) {
    const [, path = ''] = /\((.*)\)/.exec(page) ?? [];
    const tried = Array.from(readPage(path).matchAll(/(?:Tested|tried) with ([^)\n]*)/g), ([text]) => text);
    const versions = server.match(/\d[\d.]*\d|\d+/g) ?? [];
    expect(versions.length, server).toBeGreaterThan(0);
    for (const version of versions)
      expect(tried.join(' '), server).toMatch(new RegExp(`(?<![\\d.])${version}`));
  }
}

function namesTheCallbacks({ rows }: Table): void {
  const camel = (name = ''): string =>
    name.replaceAll(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
  expect(rows.map(([there]) => camel(there))).toEqual([...callbackNames]);
  expect(rows.map(([, here]) => here)).toEqual(callbackNames.map((name) => `${name}(event, options)`));
}

function namesTheFieldsOfAnEvent(table: Table): void {
  const event = eventOf("<message from='a@b' to='c@d'/>");
  const fields = firstCells(table).flatMap((cell) => cell.split(', '));
  const known = new Set<string>();
  for (let each: object = event; each !== Object.prototype; each = Object.getPrototypeOf(each) as object)
    for (const name of Object.getOwnPropertyNames(each)) known.add(name);
  known.delete('constructor');
  expect(fields.toSorted(byText)).toEqual([...known].toSorted(byText));
}

function namesTheCommands(table: Table): void {
  expect(firstCells(table).map((cell) => cell.split(' ')[0])).toEqual(Object.keys(commands));
}

function namesTheProblemCodes({ rows }: Table): void {
  const codes = Object.entries(problemCodes).map(([code, { severity, meaning }]) => [
    code,
    severity,
    meaning.replaceAll('`', ''),
  ]);
  expect(rows).toEqual(codes);
}

function namesTheRetriedStatuses(table: Table): void {
  const statuses = defaultOf('retry.statuses') as readonly unknown[];
  const [last, ...others] = statuses.toReversed();
  const named = `by default ${others.toReversed().join(', ')} and ${String(last)} except 501`;
  expect(firstCells(table).filter((cell) => cell.includes(named))).toHaveLength(1);
}

/** The options of a server's module, with their defaults as its source has them. */
function namesTheOptions(source: string): TableCheck {
  return ({ rows }) => {
    const text = readPage(source);
    const ofProsody = Array.from(
      text.matchAll(/(?:get_option_\w+|words)\("(\w+)"(?:, "?(\w+)"?)?/g),
      ([, name, fallback]) => [name, fallback] as const,
    );
    const [, ofEjabberd = ''] = /^mod_options\(_Host\) -> \[(.*)\]\.$/m.exec(text) ?? [];
    const erlang = ofEjabberd.split(/, (?=\{|\w+$)/).map((option) => {
      const [, name = option, fallback] = /^\{(\w+), \[(.*)\]\}$/.exec(option) ?? [];
      return [name, fallback] as const;
    });
    const options = ofProsody.length > 0 ? ofProsody : erlang;
    expect(rows.map(([name]) => name)).toEqual(options.map(([name]) => name));
    for (const [index, [, fallback]] of options.entries())
      expect(rows[index]?.[1]?.replaceAll(/[[\]{}" ]/g, '')).toBe(fallback ?? 'required');
  };
}

const logged = Object.entries(logEvents).map(
  ([code, event]) => [code, levelsOf(event).toSorted(byText)] as const,
);

function namesTheEvents({ rows }: Table): void {
  expect(rows.map(([event]) => event).toSorted(byText)).toEqual(
    logged.map(([code]) => code).toSorted(byText),
  );
  const shown = new Map(rows.map(([event, level]) => [event, level?.split(' or ').toSorted(byText)]));
  for (const [code, levels] of logged) expect(shown.get(code), code).toEqual(levels);
}

function namesTheSevereEvents({ rows }: Table): void {
  const severe = logged
    .filter(([, levels]) => levels.some((level) => ['warn', 'error', 'fatal'].includes(level)))
    .map(([code]) => code);
  expect(severe.length).toBeGreaterThan(5);
  expect(rows.map(([event]) => event).toSorted(byText)).toEqual(severe.toSorted(byText));
  for (const row of rows)
    expect(
      row.filter((cell) => cell !== ''),
      row[0],
    ).toHaveLength(4);
}

/** Each path is served, and "/" is not. */
async function namesThePaths(table: Table): Promise<void> {
  const server = await serveTelemetry({
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    metrics: { contentType: 'text/plain', scrape: async () => '' },
    unreadyReasons: () => ['a reason'],
  });
  onTestFinished(() => server.close());
  const statusOf = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${server.address.port}${path}`)).status;
  const statuses = await Promise.all(firstCells(table).map(statusOf));
  expect(Object.fromEntries(firstCells(table).map((path, index) => [path, statuses[index]]))).toEqual({
    '/metrics': 200,
    '/healthz': 200,
    '/readyz': 503,
  });
  expect(await statusOf('/')).toBe(404);
}

async function namesTheMetrics(table: Table): Promise<void> {
  const scraped = await scrapeOfEverything();
  const names = [...scraped.matchAll(/^# TYPE ((?:event_pusher|mod_http)\w+)/gm)].map(([, name]) => name);
  expect(firstCells(table).toSorted(byText)).toEqual(names.toSorted(byText));
  for (const [name, labels, row] of table.rows) {
    const [, sample = ''] = new RegExp(`^${name}(?:_count)?(?:{(.*?)})? `, 'm').exec(scraped) ?? [];
    const shown = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label);
    expect(shown.join(', '), name).toBe(labels);
    if (shown.includes('outcome')) expect(row, name).toMatch(new RegExp(`outcome: ${outcomes.join(' ')}$`));
  }
}

/** A scrape in which every metric has a sample. */
export function scrapeOfEverything(): Promise<string> {
  const metrics = createMetrics({
    version: '0',
    node: '0',
    trustedDomains: [],
    taps: ['direct'],
    pools: new Map([['http_pool', { capacity: 1, workers: 1 }]]),
    backends: ['chats'],
  });
  return metrics.scrape();
}

function bench(...parameters: readonly string[]): { readonly stdout: string; readonly stderr: string } {
  const program = fileURLToPath(new URL('../../bench/main.mjs', import.meta.url));
  return spawnSync(process.execPath, [program, ...parameters], { encoding: 'utf8' });
}

/** The names after `--only`, as the refusal of an unknown one lists them. */
export function measurements(): readonly string[] {
  const [, known = ''] =
    /there is no measurement none; there are ([\w, -]+)/.exec(bench('--only', 'none').stderr) ?? [];
  expect(known).not.toBe('');
  return known.split(', ');
}

function namesTheTargets({ rows }: Table): void {
  const { stdout, stderr } = bench('--list');
  const listed = stdout.split('\n').map((line) => line.split('\t'));
  const targets = listed.filter(([, target = '']) => target !== '');
  expect(targets.length, stderr).toBeGreaterThan(10);
  expect(rows.map(([what, target]) => [what, target])).toEqual(targets);
}

/** What an optimisation is called in the code, and measurements of the benchmark that show it. */
function namesCodeAndMeasurement(table: Table): void {
  const known = measurements();
  for (const [code = '', , , command = ''] of table.rows) {
    for (const name of code.split(':')[0]?.split(', ') ?? [])
      expect(new RegExp(`\\b${name.split(' ')[0]}\\b`).test(source()), code).toBe(true);
    const [, only = ''] = /^npm run bench -- --only ([\w,-]+)$/.exec(command) ?? [];
    expect(
      only.split(',').filter((name) => !known.includes(name)),
      `${code}: ${command}`,
    ).toEqual([]);
  }
}

function namesWordsOfTheCode(table: Table): void {
  for (const word of firstCells(table)) expect(new RegExp(`\\b${word}`, 'i').test(source()), word).toBe(true);
}

/** All code of the product, as one text. */
function source(): string {
  const folder = new URL('../../../src/', import.meta.url);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[jt]s$/.test(name))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n');
}

/** Each door is a word of the code. */
function namesDoors(table: Table): void {
  isFilled(table);
  for (const [doors] of table.rows)
    for (const [, door = ''] of (doors ?? '').matchAll(/`(\w+)`/g))
      expect(source(), door).toMatch(new RegExp(`\\b${door}\\b`));
}

function namesTheDependencies(table: Table): void {
  const { dependencies } = JSON.parse(readPage('package.json')) as { dependencies: object };
  expect(firstCells(table).toSorted(byText)).toEqual(Object.keys(dependencies).toSorted(byText));
}
