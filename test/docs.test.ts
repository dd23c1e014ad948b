import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { blocksOf, readPage } from './support/pages.ts';
import { loadBackends } from '../src/backends/load.ts';
import { commands } from '../src/commands/index.ts';
import { knownKeys } from '../src/config/json-schema.ts';
import { loadConfiguration } from '../src/config/load.ts';
import { problemCodes } from '../src/schema/problem-codes.ts';
import { discardReasons, disconnectReasons } from '../src/core/observation.ts';
import { Ledger } from '../src/core/ledger.ts';
import { FORMAT } from '../src/outbox/lmdb/database.js';
import { logEvents } from '../src/telemetry/log.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { taps } from '../src/xmpp/taps/index.ts';
import { eventOf } from './support/stanza.ts';

const root = new URL('..', import.meta.url);
const readme = readPage('README.md');
/** Every page for operators, by its path. */
const pages = [
  'README.md',
  ...readdirSync(new URL('config', root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `config/${name}`),
];

/** The rows of a page's table with this first heading, as cells of plain text. */
function tableOf(heading: string, page = readme): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  expect(start, `the page has a table "${heading}"`).toBeGreaterThan(0);
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break;
    rows.push(
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  }
  return rows;
}

const byText = (a = '', b = ''): number => (a < b ? -1 : 1);
const firstCells = (heading: string): string[] => tableOf(heading).map(([first]) => first ?? '');

describe('the README says what is true', () => {
  it('lists every metric of ours with its labels', async () => {
    const scraped = await scrapeOfEverything();
    const names = [...scraped.matchAll(/^# TYPE ((?:event_pusher|mod_http)\w+)/gm)].map(([, name]) => name);
    expect(firstCells('metric').toSorted(byText)).toEqual(names.toSorted(byText));
    for (const [name, labels] of tableOf('metric')) {
      const [, sample = ''] = new RegExp(`^${name}(?:_count)?(?:{(.*?)})? `, 'm').exec(scraped) ?? [];
      const shown = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label);
      expect(shown.join(', '), name).toBe(labels);
    }
  });

  it('lists every event code of the log with its level', () => {
    const rows = tableOf('event').map(([event, level]) => [event, level] as const);
    expect(rows.map(([event]) => event).toSorted(byText)).toEqual(logEvents().toSorted(byText));
    for (const [event = '', level] of rows)
      expect(level?.split(' or ').toSorted(byText), event).toEqual(levelsOf(event).toSorted(byText));
  });

  it('lists every tap and every reason to discard', () => {
    expect(firstCells('tap').toSorted(byText)).toEqual(Object.keys(taps).toSorted(byText));
    expect(firstCells('reason')).toEqual([...discardReasons]);
  });

  it('lists every code of a connection that ended', () => {
    expect(firstCells('code')).toEqual([...disconnectReasons]);
  });

  it('gives a reason for every dependency', () => {
    const { dependencies } = JSON.parse(readPage('package.json')) as { dependencies: object };
    expect(firstCells('dependency').toSorted(byText)).toEqual(Object.keys(dependencies).toSorted(byText));
  });

  it('shows every target of the benchmark, and no other', () => {
    const bench = fileURLToPath(new URL('test/bench/main.mjs', root));
    const { stdout, stderr } = spawnSync(process.execPath, [bench, '--list'], { encoding: 'utf8' });
    const rows = stdout.split('\n').map((line) => line.split('\t'));
    const targets = rows.filter(([, target = '']) => target !== '');
    expect(targets.length, stderr).toBeGreaterThan(10);
    expect(tableOf('measured').map(([what, target]) => [what, target])).toEqual(targets);
  });

  it('lists every command', () => {
    expect(firstCells('command').map((cell) => cell.split(' ')[0])).toEqual(Object.keys(commands));
  });

  it('shows a configuration that is good, and a callback module that does what it says', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'readme-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'event-pusher.yaml');
    await mkdir(join(folder, 'callbacks'));
    const readmeBlocks = (language: string): string[] =>
      blocksOf(readme).flatMap((block) => (block.language === language ? [block.text] : []));
    await writeFile(join(folder, 'callbacks/alerts.mjs'), readmeBlocks('js')[0] ?? '');
    const [wholeFile, oneBackend] = readmeBlocks('yaml');
    await writeFile(file, `${wholeFile}${oneBackend?.replace('alerts.js', 'alerts.mjs')}`);
    const loaded = await loadConfiguration(file, { XMPP_COMPONENT_SECRET: 'secret' });
    if ('problems' in loaded) expect.unreachable(JSON.stringify(loaded.problems));
    const { backends, failures } = await loadBackends(loaded.configuration.backends);
    expect(failures).toEqual([]);
    const [chats, alerts] = backends;
    expect(chats?.path).toBe('/notifications');
    expect(alerts?.options).toEqual({ pool_name: 'http_pool', path: '/alerts', word: 'urgent' });
    const urgent = eventOf(
      "<message from='alice@localhost' to='bob@localhost'><body>urgent!</body></message>",
    );
    const calm = eventOf("<message from='alice@localhost' to='bob@localhost'><body>calm</body></message>");
    expect(alerts?.callback.shouldMakeReq(urgent, alerts.options)).toBe(true);
    expect(alerts?.callback.shouldMakeReq(calm, alerts.options)).toBe(false);
    expect(alerts?.callback.prepareBody(urgent, alerts.options)).toBe(
      '{"sender":"alice","receiver":"bob","message":"urgent!"}',
    );
  });
});

describe('the page for troubleshooting', () => {
  it('has a row for each log event of level warn and above, and for no other', () => {
    const severe = logEvents().filter((event) =>
      levelsOf(event).some((level) => ['warn', 'error', 'fatal'].includes(level)),
    );
    expect(severe.length).toBeGreaterThan(5);
    const rows = tableOf('event', readPage('config/troubleshooting.md'));
    expect(rows.map(([event]) => event).toSorted(byText)).toEqual(severe.toSorted(byText));
    for (const row of rows)
      expect(
        row.filter((cell) => cell !== ''),
        row[0],
      ).toHaveLength(4);
  });
});

it('the page for troubleshooting lists every code of a problem with its meaning', () => {
  const rows = tableOf('code', readPage('config/troubleshooting.md'));
  const codes = Object.entries(problemCodes).map(([code, { severity, meaning }]) => [
    code,
    severity,
    meaning.replaceAll('`', ''),
  ]);
  expect(rows).toEqual(codes);
});

describe('the pages for operators', () => {
  it.each(['README.md', 'config/security.md', 'config/upgrade.md', 'config/backup.md'])(
    'name for every promise a test that is there (%s)',
    (path) => {
      const promises = tableOf('promise', readPage(path));
      expect(promises.length).toBeGreaterThan(path === 'config/backup.md' ? 3 : 5);
      for (const [promise = '', test = ''] of promises) {
        const [, file = '', title = ''] = /^(\S+): (.+)$/.exec(test) ?? [];
        expect(readPage(file).includes(title), `${promise}: ${test}`).toBe(true);
      }
    },
  );

  it.each(pages)('link only to what is there, and name only files that are there (%s)', (path) => {
    const page = readPage(path);
    const links = Array.from(page.matchAll(/\]\(([^)#]+)\)/g), ([, target = '']) => target);
    for (const target of links.filter((target) => !target.startsWith('http'))) {
      expect(existsSync(new URL(target, new URL(path, root))), target).toBe(true);
    }
    for (const [file] of page.matchAll(/\btest\/[\w/-]+\.[\w.]*\w/g)) {
      expect(existsSync(new URL(file, root)), file).toBe(true);
    }
  });

  it.each(pages)('name only keys that the configuration has (%s)', (path) => {
    const keys = knownKeys().map(({ section, key }) => `${section}.${key}`);
    const sections = new Set(keys.map((key) => key.split('.')[0]));
    const named = Array.from(readPage(path).matchAll(/`([a-z_]+)((?:\.[a-z_]+)+)[`:]/g));
    for (const [, section = '', rest = ''] of named.filter(([, section]) => sections.has(section))) {
      expect(keys).toContain(section + rest);
    }
  });

  it('say which format the outbox has', () => {
    const upgrade = readPage('config/upgrade.md');
    expect(upgrade).toContain(`(format ${FORMAT + 1}, this one knows ${FORMAT})`);
    expect(upgrade).toContain(`one format, ${FORMAT},`);
  });
});

/** The levels that a line of this event may have, as its entry in the table of lines names them. */
function levelsOf(event: string): string[] {
  const [, entry = ''] =
    new RegExp(`^  '${event}':([^]*?)(?=^  '[a-z-]+':|^};)`, 'm').exec(readPage('src/telemetry/log.ts')) ??
    [];
  const levels = Array.from(
    entry.matchAll(/'(trace|debug|info|warn|error|fatal)'/g),
    ([, level = '']) => level,
  );
  expect(levels, `log.ts names a level for ${event}`).not.toEqual([]);
  return [...new Set(levels)];
}

/** A scrape in which every metric has a sample. */
function scrapeOfEverything(): Promise<string> {
  const ledger = new Ledger();
  ledger.count('chats', 'accepted');
  const counts = { waiting: 1, inFlight: 0, unwritten: 0, oldestAcceptedAtMs: 0 };
  const metrics = createMetrics({
    trustedDomains: [],
    taps: ['direct'],
    pools: ['http_pool'],
    backends: ['chats'],
    version: '0',
    ledger,
    outboxes: () => [['http_pool', counts]],
    limits: [['http_pool', { capacity: 1, workers: 1 }]],
    declined: () => [['chats', 0]],
    isWritable: () => true,
    deadLetters: () => 0,
    nowMs: () => 0,
  });
  return metrics.scrape();
}
