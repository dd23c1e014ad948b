import { existsSync, readdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { knownKeys } from '../src/config/json-schema.ts';
import { FORMAT } from '../src/outbox/lmdb/database.js';
import { blocks } from './support/docs/blocks.ts';
import { defaultOf } from './support/docs/defaults.ts';
import { scrapeOfEverything, tables } from './support/docs/tables.ts';
import {
  blocksOf,
  developerPages,
  linksOf,
  pages,
  placesOf,
  readPage,
  tablesOf,
  withoutBlocks,
} from './support/pages.ts';
import { sentencesOf, unplainIn, wordsIn } from './support/prose.ts';
import { allow } from './support/limits.ts';

allow('processes');

const root = new URL('..', import.meta.url);
const MOST_WORDS_OF_README = 1500;
const MOST_WORDS_OF_A_SENTENCE = 25;
const MOST_WORDS_OF_THE_GLOSSARY = 40;
const all = [...pages, ...developerPages];

describe('every table on every page says what is true', () => {
  const shown = all.flatMap((path) =>
    tablesOf(readPage(path)).map((table) => [path, table.head, table] as const),
  );

  it.each(shown)('%s: %s', async (path, head, table) => {
    const check = tables[path]?.[head];
    if (check === undefined) expect.unreachable('nothing in this test holds this table');
    await check(table, path);
  });

  it('and no check is left of a table that is gone', () => {
    const known = Object.entries(tables).flatMap(([path, checks]) =>
      Object.keys(checks).map((head) => `${path}: ${head}`),
    );
    expect(known.toSorted()).toEqual(
      [...new Set(shown.map(([path, head]) => `${path}: ${head}`))].toSorted(),
    );
  });
});

describe('every example on every page is true', () => {
  const shown = all.flatMap((path) =>
    blocksOf(readPage(path)).map((block, index) => [path, index + 1, block] as const),
  );

  it.each(shown)('%s: block %i', async (path, number, block) => {
    const held = blocks[path];
    const check = typeof held === 'function' ? held : held?.[number - 1];
    if (check === undefined) expect.unreachable(`nothing in this test holds this block:\n${block.text}`);
    await check(block, path);
  });

  it.each(Object.entries(blocks))('and none is gone from %s', (path, held) => {
    const count = blocksOf(readPage(path)).length;
    expect(count).toBeGreaterThanOrEqual(typeof held === 'function' ? 1 : held.length);
  });
});

describe('the README', () => {
  it(`has at most ${MOST_WORDS_OF_README} words, code and tables included`, () => {
    const words = readPage('README.md')
      .split(/\s+/)
      .filter((word) => word !== '');
    expect(words.length).toBeLessThanOrEqual(MOST_WORDS_OF_README);
  });
});

describe('the glossary', () => {
  it(`has at most ${MOST_WORDS_OF_THE_GLOSSARY} words, each once`, () => {
    const words = tablesOf(readPage('src/glossary.md')).flatMap(({ rows }) => rows.map(([word]) => word));
    expect(words.length).toBeLessThanOrEqual(MOST_WORDS_OF_THE_GLOSSARY);
    expect(new Set(words).size).toBe(words.length);
  });
});

describe('the index', () => {
  it('links to each page, and names the page that is only in the sources', () => {
    const index = readPage('config/README.md');
    const linked = linksOf('config/README.md').map(({ file }) => file);
    const missing = pages
      .filter((path) => path !== 'config/README.md' && !linked.includes(path))
      .filter((path) => !index.includes(`\`${path.replace('config/', '')}\` (in the sources)`));
    expect(missing).toEqual([]);
  });
});

describe('the pages', () => {
  it.each(all)('link only to files and headings that are there (%s)', (path) => {
    for (const { file, place } of linksOf(path)) {
      expect(existsSync(new URL(file, root)), file).toBe(true);
      if (place !== '') expect(placesOf(readPage(file)), `${file}#${place}`).toContain(place);
    }
  });

  it.each(all)('name only files of this project that are there (%s)', (path) => {
    for (const [file] of readPage(path).matchAll(/\b(?:test|src)\/[\w/-]+\.[\w.]*\w/g)) {
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

  it('name only metrics that there are', async () => {
    const scraped = await scrapeOfEverything();
    const known = new Set([...scraped.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
    const options = /^event_pusher_tap(?:_(?:to|directions|kinds|buffer))?$/;
    for (const path of pages) {
      for (const [name] of readPage(path).matchAll(/\b(?:event_pusher|mod_http_notifications)_\w+/g))
        if (!options.test(name)) expect(known, `${path}: ${name}`).toContain(name);
    }
  });

  it('say which format the outbox has', () => {
    expect(readPage('config/upgrade.md')).toContain(`one format, ${FORMAT},`);
  });
});

describe('plain English', () => {
  it.each(all)(`needs at most ${MOST_WORDS_OF_A_SENTENCE} words for a sentence (%s)`, (path) => {
    const long = sentencesOf(readPage(path)).filter(
      (sentence) => wordsIn(sentence) > MOST_WORDS_OF_A_SENTENCE,
    );
    expect(long).toEqual([]);
  });

  it.each(all)('has plainer words than these (%s)', (path) => {
    expect(unplainIn(readPage(path))).toEqual([]);
  });
});

describe('what pages write as code', () => {
  /** Words of other programs, which nothing in this project says otherwise. */
  const foreign = new Set(
    'Recreate force-recreate httpGet max-semi-space-size mdb_copy node-v24 pa prepare_body prepare_headers send_message stop-timeout strategy xz'.split(
      ' ',
    ),
  );

  it.each(pages)('is made of words that the product, its configuration or its tests have (%s)', (path) => {
    const spans = withoutBlocks(readPage(path)).matchAll(/`([^`]+)`/g);
    const words = Array.from(spans, ([, span = '']) => span.match(/[A-Za-z_][\w-]*/g) ?? []).flat();
    const known = wordsOfTheProject();
    expect(words.filter((word) => !known.has(word) && !foreign.has(word))).toEqual([]);
  });

  it('shows the default of a key behind its name as it is', () => {
    const shown = pages.flatMap((path) =>
      Array.from(
        readPage(path).matchAll(/`([a-z_]+(?:\.[a-z_]+)*)` \(`?([\d.,:]*\d)(?: (s|h)\b)?/g),
        ([all, key = '', number = '', unit]) => ({ all, fallback: defaultOfAny(key), number, unit }),
      ),
    );
    const checked = shown.filter(({ fallback }) => fallback !== undefined);
    expect(checked.length).toBeGreaterThan(4);
    const factors: Readonly<Record<string, number>> = { s: 1000, h: 3_600_000 };
    for (const { all, fallback, number, unit } of checked) {
      const value = number.includes(':')
        ? number
        : Number(number.replaceAll(',', '')) * (factors[unit ?? ''] ?? 1);
      expect(value, all).toBe(fallback);
    }
  });
});

let wordsFound: ReadonlySet<string> | undefined;

/** Every word of the sources, the configuration and the tests, pages and this test left out. */
function wordsOfTheProject(): ReadonlySet<string> {
  wordsFound ??= new Set(
    ['src', 'config', 'test']
      .flatMap((folder) =>
        readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' }).map(
          (name) => `${folder}/${name}`,
        ),
      )
      .filter((name) => /\.\w+$/.test(name) && !/\.md$|^test\/(?:data|docs|support\/docs)/.test(name))
      .concat('Dockerfile', 'docker-compose.yml', 'package.json', 'config/prosody/mod_firewall.pfw')
      .filter((name) => statSync(new URL(name, root)).isFile())
      .flatMap((name) => readPage(name).match(/[A-Za-z_][\w-]*/g) ?? []),
  );
  return wordsFound;
}

/** The default of the key that has this name, or of the only one that ends with it. */
function defaultOfAny(name: string): unknown {
  const keys = knownKeys().map(({ section, key }) => (section === '' ? key : `${section}.${key}`));
  if (keys.includes(name)) return defaultOf(name);
  const longer = keys.filter((key) => key.endsWith(`.${name}`));
  return longer.length === 1 ? defaultOf(longer[0] ?? '') : undefined;
}
