import { spawnSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { folderWith, good, linesOf, load, loadGood, problemsOf, spoilt } from './load-text.ts';
import { allow } from '../support/limits.ts';

allow('processes');

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le');
}

const withSecretFile = spoilt('secret: swordfish', 'secret_file: secrets/component');

describe('a secret file', () => {
  it.each([
    ['swordfish', 'swordfish'],
    ['swordfish\n', 'swordfish'],
    ['swordfish\r\n', 'swordfish'],
    ['sword fish', 'sword fish'],
    ['${A} $$', '${A} $$'],
  ])('that holds %j gives the secret %j', async (content, secret) => {
    const { component } = await load(withSecretFile, { files: { 'secrets/component': content } });
    expect(component.secret).toBe(secret);
  });

  it.each([
    ['', 'holds a secret that is not usable: it must not be empty: the server has one for this component'],
    ['\n', 'holds a secret that is not usable: it must not be empty: the server has one for this component'],
    [
      'schwertfischß',
      'holds a secret that is not usable: it holds characters outside ASCII: XEP-0114 does not say how they become the bytes that are hashed, and implementations differ; choose an ASCII secret, here and in the server',
    ],
    ...[' swordfish', 'swordfish ', 'swordfish \n', '\tswordfish', ' '].map((content) => [
      content,
      'holds a secret that is not usable: it must not begin or end with white space: servers take it for a part of the secret',
    ]),
    ...[
      'swordfish\n\n',
      '\nswordfish',
      'sword\nfish',
      'sword\r\nfish\r\n',
      'swordfish\nprosodyctl restart\n',
    ].map((content) => [
      content,
      'holds a secret that is not usable: it must be one line: remove the others',
    ]),
    ...['sword\tfish', 'sword\0fish', '\x1b[200~swordfish\x1b[201~', 'swordfish\x7f', 'sword\x85fish'].map(
      (content) => [
        content,
        'holds a secret that is not usable: it must not hold control characters (a tab, an escape)',
      ],
    ),
    ['\ufeffswordfish', 'begins with a byte order mark, which the server does not have: save it without one'],
    ...[
      utf16('swordfish\n'),
      utf16('\ufeffswordfish'),
      utf16('swordfish').swap16(),
      utf16('\ufeffswordfish').swap16(),
    ].map((content) => [content, 'names a file that is UTF-16: save it as UTF-8']),
    [Buffer.from([0x73, 0xf6, 0x73]), 'names a file that is not UTF-8 (Latin-1, perhaps): save it as UTF-8'],
  ] as [string | Buffer, string][])('that holds %j is refused', async (content, message) => {
    expect(await problemsOf(withSecretFile, { files: { 'secrets/component': content } })).toEqual([
      `4:16: component.secret_file ${message}`,
    ]);
  });

  it('may have an absolute path', async () => {
    const folder = await folderWith({ secret: 'swordfish' });
    const { component } = await load(spoilt('secret: swordfish', `secret_file: ${join(folder, 'secret')}`));
    expect(component.secret).toBe('swordfish');
  });

  it('that is missing, or a folder, is a problem', async () => {
    expect(await problemsOf(withSecretFile)).toEqual([
      '4:16: component.secret_file names a file that does not exist: relative paths begin at the folder of this configuration file',
    ]);
    expect(await problemsOf(withSecretFile, { files: { 'secrets/component/x': '' } })).toEqual([
      '4:16: component.secret_file names a folder: name the file in it',
    ]);
  });

  it('that is no file but a FIFO or a device is a problem, and nobody waits at it', async () => {
    const folder = await folderWith({});
    spawnSync('mkfifo', [join(folder, 'fifo')]);
    for (const path of [join(folder, 'fifo'), '/dev/null']) {
      expect(await problemsOf(spoilt('secret: swordfish', `secret_file: ${path}`))).toEqual([
        '4:16: component.secret_file names a FIFO or a device, not a file',
      ]);
    }
  });

  it('beside a secret is a problem, on whatever is wrong with the file', async () => {
    const text = spoilt('secret: swordfish', 'secret: swordfish\n  secret_file: none');
    expect(await problemsOf(text)).toEqual([
      '5:3: component.secret_file is given beside secret: keep one of the two',
      '5:16: component.secret_file names a file that does not exist: relative paths begin at the folder of this configuration file',
    ]);
  });
});

describe('a callback module', () => {
  const withModule = (name: string): string => `${good}        callback_module: ${name}\n`;

  it.each([
    ['./callbacks/alerts.js', 'callbacks/alerts.js'],
    ['callbacks/alerts.js', 'callbacks/alerts.js'],
    ['./a/../callbacks/alerts.js', 'callbacks/alerts.js'],
    ['"./callbacks/mit Ümlaut#1.mjs"', 'callbacks/mit Ümlaut#1.mjs'],
  ])('at the path %s is found from the folder of the configuration', async (name, path) => {
    const folder = await folderWith({ 'event-pusher.yaml': withModule(name), [path]: '' });
    const loaded = await loadConfiguration(join(folder, 'event-pusher.yaml'), {});
    expect(loaded).toMatchObject({
      configuration: { backends: [{ callbackModule: pathToFileURL(join(folder, path)).href }] },
    });
  });

  it('at an absolute path is found', async () => {
    const folder = await folderWith({ 'alerts.cjs': '' });
    const { backends } = await load(withModule(join(folder, 'alerts.cjs')));
    expect(backends[0]?.callbackModule).toBe(pathToFileURL(join(folder, 'alerts.cjs')).href);
  });

  it.each([
    ['main', { main: './lib/entry.js' }],
    ['exports', { exports: './lib/entry.js' }],
    ['exports by default', { exports: { '.': { types: './x.d.ts', default: './lib/entry.js' } } }],
  ])('in a package is found by its %s', async (_title, fields) => {
    const manifest = JSON.stringify({ name: '@example/alerts', type: 'module', ...fields });
    const { backends } = await load(withModule('"@example/alerts"'), {
      files: {
        'node_modules/@example/alerts/package.json': manifest,
        'node_modules/@example/alerts/lib/entry.js': '',
      },
    });
    expect(backends[0]?.callbackModule).toMatch(/\/node_modules\/@example\/alerts\/lib\/entry\.js$/);
  });

  it.each([
    ['./none.js', 'names a file that does not exist: DIR/none.js'],
    ['./callbacks', 'names a folder or device, not a module file: DIR/callbacks'],
    [
      'none.js',
      'names neither a file nor an installed package: a path is relative to the folder of this file',
    ],
    ['fs', 'names a part of Node itself: fs'],
    [
      'only-import',
      'names a package that exports nothing for require: name its file instead (./node_modules/only-import/…)',
    ],
    ['""', 'must not be empty'],
  ])('named %s is a problem', async (name, message) => {
    const files = {
      'callbacks/alerts.js': '',
      'node_modules/only-import/package.json': JSON.stringify({ exports: { import: './x.js' } }),
      'node_modules/only-import/x.js': '',
    };
    expect(await problemsOf(withModule(name), { files })).toEqual([
      `12:26: mod_event_pusher.backends[0].http.callback_module ${message}`,
    ]);
  });

  it('is not run', async () => {
    await load(withModule('./alerts.js'), { files: { 'alerts.js': 'throw new Error("it ran");' } });
  });

  it('has a position for what is found out when it is loaded; without a module it is that of the backend', async () => {
    const text = `${withModule('./alerts.js')}    - http: { pool_name: http_pool }\n`;
    const { problemOf } = await loadGood(text, { files: { 'alerts.js': '' } });
    const problem = { code: 'unusable-callback-module', message: 'it threw' } as const;
    expect([0, 1].map((index) => problemOf(index, problem))).toEqual([
      { ...problem, file: expect.stringMatching(/event-pusher\.yaml$/), line: 12, column: 26 },
      { ...problem, file: expect.stringMatching(/event-pusher\.yaml$/), line: 13, column: 7 },
    ]);
  });
});

describe('without permission', () => {
  const NOBODY = 65_534;
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? NOBODY : process.getuid?.();

  /** Loads as somebody who may not read everything. */
  async function problemsOfNobody(
    files: Record<string, string>,
    modes: Record<string, number>,
  ): Promise<string[]> {
    const folder = await folderWith(files);
    await chmod(folder, 0o755);
    for (const [name, mode] of Object.entries(modes)) await chmod(join(folder, name), mode);
    if (isRoot) process.seteuid?.(NOBODY);
    try {
      const loaded = await loadConfiguration(join(folder, 'event-pusher.yaml'), {});
      return linesOf(loaded, 'error', folder);
    } finally {
      if (isRoot) process.seteuid?.(0);
      for (const name of Object.keys(modes)) await chmod(join(folder, name), 0o700);
    }
  }

  it('a configuration file is a problem', async () => {
    expect(await problemsOfNobody({ 'event-pusher.yaml': good }, { 'event-pusher.yaml': 0 })).toEqual([
      `1:1: the file cannot be read (EACCES) by this process (uid ${uid})`,
    ]);
  });

  it('a secret file is a problem that says whose it is and what to do', async () => {
    const mode = isRoot ? 0o600 : 0;
    const files = { 'event-pusher.yaml': withSecretFile, 'secrets/component': 'swordfish' };
    expect(await problemsOfNobody(files, { 'secrets/component': mode })).toEqual([
      `4:16: component.secret_file names a file that this process (uid ${uid}) may not read: ` +
        `it belongs to uid ${process.getuid?.()} and has mode ${isRoot ? '0600' : '0000'}; ` +
        `make it readable for uid ${uid} (chown ${uid}, or chmod 0444; secrets of Compose keep the mode of the host's file)`,
    ]);
  });

  it('the folder of a secret file is a problem', async () => {
    const files = { 'event-pusher.yaml': withSecretFile, 'secrets/component': 'swordfish' };
    expect(await problemsOfNobody(files, { secrets: isRoot ? 0o700 : 0 })).toEqual([
      `4:16: component.secret_file names a file in a folder that this process (uid ${uid}) may not enter: give it access (chmod o+x)`,
    ]);
  });

  it('a callback module is a problem', async () => {
    const files = { 'event-pusher.yaml': `${good}        callback_module: ./alerts.js\n`, 'alerts.js': '' };
    expect(await problemsOfNobody(files, { 'alerts.js': 0 })).toEqual([
      `12:26: mod_event_pusher.backends[0].http.callback_module names a file that this process (uid ${uid}) may not read (EACCES): DIR/alerts.js`,
    ]);
  });
});
