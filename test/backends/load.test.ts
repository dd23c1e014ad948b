import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadBackends } from '../../src/backends/callbacks/load.ts';
import { payloads } from '../../src/backends/payloads/index.ts';
import { callBackend, type Made } from '../support/backend.ts';
import { eventOf } from '../support/stanza.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const folder = mkdtempSync(join(tmpdir(), 'callback-modules-'));
afterAll(() => rmSync(folder, { recursive: true }));
const chat = eventOf(
  "<message from='alice@example.com' to='bob@example.com' type='chat'><body>Hi</body></message>",
);
const defaultBody = 'author=alice&server=example.com&receiver=bob&message=Hi';

let files = 0;

/** Writes a callback module and gives the source of a backend with it. */
function sourceOf(text: string, ending = 'mjs') {
  const file = join(folder, `callback-${(files += 1)}.${ending}`);
  writeFileSync(file, text);
  return {
    name: `b${files}`,
    poolName: 'p',
    path: '/x',
    callbackModule: pathToFileURL(file).href,
    options: {},
  };
}

type Source = ReturnType<typeof sourceOf>;

/** What Node makes of each module: what its backend makes of an event, or why there is none. */
interface Loaded {
  readonly made: Record<string, Made>;
  readonly failures: Record<string, string>;
}

const script = `
const [, folder, sources, event] = process.argv;
const { loadBackends } = await import(folder + 'load.js');
const { BackendCaller } = await import(folder + 'caller.js');
const { backends, failures } = await loadBackends(JSON.parse(sources));
const made = backends.map(async (backend) => {
  const caller = new BackendCaller(backend, { onEnter: () => undefined, clock: { after: () => () => undefined, monotonic: () => 0 } });
  const isWanted = await caller.wants(JSON.parse(event));
  return [backend.name, { isWanted, ...(await caller.request(JSON.parse(event), true, 'id')) }];
});
console.log(JSON.stringify({
  made: Object.fromEntries(await Promise.all(made)),
  failures: Object.fromEntries(failures.map(({ source, message }) => [source.name, message])),
}));
`;

/** Loads with the build, because vitest imports modules in another way than Node does. */
async function loadInNode(sources: readonly Source[]): Promise<Loaded> {
  const compiled = new URL('../../dist/backends/callbacks/', import.meta.url);
  if (!existsSync(compiled)) throw new Error('dist is missing: run `npm run build` first');
  const { dir, host, sender, receiver, message } = chat;
  const event = JSON.stringify({ dir, host, sender, receiver, message, packet: { attrs: {} } });
  const parameters = ['--input-type=module', '-e', script, compiled.href, JSON.stringify(sources), event];
  const { stdout } = await promisify(execFile)(process.execPath, parameters);
  return JSON.parse(stdout) as Loaded;
}

const good: [string, string, string][] = [
  ['an ES module with named exports', 'mjs', "export const prepareBody = () => 'mine';"],
  ['an ES module with a default object', 'mjs', "export default { prepareBody: () => 'mine' };"],
  ['an ES module in a .js file', 'js', "export function prepareBody() { return 'mine'; }"],
  ['a CommonJS module with named exports', 'cjs', "exports.prepareBody = () => 'mine';"],
  ['a CommonJS module with one object', 'cjs', "module.exports = { prepareBody: () => 'mine' };"],
  ['a CommonJS module in a .js file', 'js', "module.exports = { prepareBody() { return 'mine'; } };"],
  [
    'a CommonJS module that a compiler made of a default export',
    'cjs',
    "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { prepareBody: () => 'mine' };",
  ],
  [
    'a CommonJS module that a compiler made of named exports',
    'cjs',
    "Object.defineProperty(exports, '__esModule', { value: true }); exports.prepareBody = () => 'mine';",
  ],
  ['an async function', 'mjs', "export async function prepareBody() { return 'mine'; }"],
  [
    'an object that uses this',
    'mjs',
    "export default { text: 'mine', prepareBody() { return this.text; } };",
  ],
  [
    'a CommonJS object that uses this',
    'cjs',
    "function prepareBody() { return this.text; } module.exports = { prepareBody, text: 'mine' };",
  ],
  [
    'CommonJS exports that use this',
    'cjs',
    "exports.prepareBody = function () { this.made = 'mine'; return this.made; };",
  ],
  [
    'an instance of a class',
    'mjs',
    "class Mine { #text = 'mine'; prepareBody() { return this.#text; } } export default new Mine();",
  ],
  ['a class with static methods', 'mjs', "export default class { static prepareBody() { return 'mine'; } }"],
  [
    'a module with a top-level await',
    'mjs',
    "const text = await Promise.resolve('mine'); export const prepareBody = () => text;",
  ],
  [
    'a module with some named exports and some in the default object',
    'mjs',
    "export const prepareBody = () => 'mine'; export default { shouldMakeReq: () => false };",
  ],
  [
    'a module with exports of other names too',
    'mjs',
    "export const prepareBody = () => 'mine'; export const version = 1; export default 7;",
  ],
];

const bad: [string, string, string, RegExp][] = [
  ['exports nothing', 'mjs', '', /exports none of shouldMakeReq, prepareHeaders, prepareBody/],
  ['exports nothing in CommonJS', 'cjs', '', /exports none of shouldMakeReq/],
  ['exports other names only', 'mjs', 'export const shouldMakeRequest = () => true;', /exports none of/],
  ['exports a function as default', 'mjs', 'export default () => true;', /exports none of/],
  ['exports null as default', 'mjs', 'export default null;', /exports none of/],
  [
    'exports something that is no function',
    'mjs',
    'export const shouldMakeReq = true;',
    /its shouldMakeReq is not a f/,
  ],
  ['exports null by name', 'mjs', 'export const prepareBody = null;', /its prepareBody is not a function/],
  [
    'has no function in its object',
    'mjs',
    'export default { prepareHeaders: {} };',
    /its prepareHeaders is not a f/,
  ],
  [
    'imports a package that is not there',
    'mjs',
    "import 'not-installed';",
    /Cannot find package 'not-installed'/,
  ],
  [
    'imports a file that is not there',
    'mjs',
    "import './not-here.mjs';",
    /Cannot find module .*not-here\.mjs/,
  ],
  [
    'requires a package that is not there',
    'cjs',
    "require('not-installed');",
    /Cannot find module 'not-installed'/,
  ],
  [
    'imports by a name that the other module does not export',
    'mjs',
    "import { nothing } from 'node:path';",
    /^The requested module 'node:path' does not provide an export named 'nothing'$/,
  ],
  [
    'throws what throws when it is looked at',
    'mjs',
    "throw { toString() { throw new Error('looked at'); } };",
    /^it threw something that cannot be shown$/,
  ],
  ['throws as it is loaded', 'mjs', "throw new Error('no database');", /^no database$/],
  ['throws what is no error', 'mjs', "throw 'no database';", /^no database$/],
  ['rejects as it is loaded', 'mjs', "await Promise.reject(new Error('no database'));", /^no database$/],
  ['is no JavaScript', 'mjs', '\nexport const = 1;', /^Unexpected token '=' \(\/.*\.mjs:2:14\)$/],
  [
    'is no JavaScript in a .js file without a package.json',
    'js',
    "export const prepareBody = () => '';\n\texport const = 1;",
    /^Unexpected token '=' \(\/.*\.js:2:15\)$/,
  ],
  ['is no JavaScript in CommonJS', 'cjs', '\nexports. = 1;', /^Unexpected token '=' \(\/.*\.cjs:2:10\)$/],
  [
    'is no JavaScript in CommonJS in a .js file',
    'js',
    'exports.prepareBody = () => {\n  const = 1;\n};',
    /^Unexpected token '=' \(\/.*\.js:2:9\)$/,
  ],
  [
    'ends too early',
    'mjs',
    'export function prepareBody() {\n',
    /^Unexpected end of input \(\/.*\.mjs:\d+\)$/,
  ],
  [
    'throws a syntax error of what it reads',
    'mjs',
    "throw new SyntaxError('line 3 of the rules');",
    /^line 3 of the rules \("node \/.*\.mjs" shows where\)$/,
  ],
];

describe('a callback module', () => {
  const sources = new Map([...good, ...bad].map(([title, ending, text]) => [title, sourceOf(text, ending)]));
  const nameOf = (title: string): string => sources.get(title)?.name ?? '';
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await loadInNode([...sources.values()]);
  });

  it.each(good)('may be %s', (title) => {
    expect(loaded.failures[nameOf(title)]).toBeUndefined();
    expect(loaded.made[nameOf(title)]).toEqual({
      isWanted: false,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'mine',
    });
  });

  it.each(bad)('is refused that %s', (title, _ending, _text, message) => {
    expect(loaded.made[nameOf(title)]).toBeUndefined();
    expect(loaded.failures[nameOf(title)]).toMatch(message);
  });
});

describe('what a callback module lacks', () => {
  it.each([
    ['everything but shouldMakeReq', 'export const shouldMakeReq = () => 1;', [false, 'form', defaultBody]],
    [
      'everything but prepareHeaders',
      'export const prepareHeaders = () => ({});',
      [true, undefined, defaultBody],
    ],
    ['everything but prepareBody', "export const prepareBody = () => '';", [true, 'form', '']],
    [
      'what it exports as undefined',
      'export const prepareBody = undefined; export const shouldMakeReq = () => 1;',
      [false, 'form', defaultBody],
    ],
  ])('is filled with the defaults: %s', async (_what, text, expected) => {
    const { backends } = await loadBackends([sourceOf(text)]);
    const { isWanted, headers, body } = await callBackend(backends[0]!, chat);
    const type = headers['content-type'];
    const form = 'application/x-www-form-urlencoded';
    expect([isWanted, type === form ? 'form' : type, body]).toEqual(expected);
  });

  it('is everything where no module is named', async () => {
    const { backends } = await loadBackends([{ name: 'b', poolName: 'p', path: '', options: {} }]);
    expect(backends[0]).toMatchObject({ callbacks: {}, payload: payloads.form });
  });
});

describe('loading backends', () => {
  it('gives each its pool, path and options; one module may serve several', async () => {
    const source = sourceOf("export const prepareBody = (_event, { threshold }) => 'over ' + threshold;");
    const { backends } = await loadBackends([
      { ...source, name: 'a', options: { threshold: 3, deep: { list: [1] } } },
      { ...source, name: 'b', poolName: 'q', path: '', options: { threshold: 4 } },
    ]);
    expect(backends.map(({ name, poolName, path, options }) => ({ name, poolName, path, options }))).toEqual([
      {
        name: 'a',
        poolName: 'p',
        path: '/x',
        options: { pool_name: 'p', path: '/x', threshold: 3, deep: { list: [1] } },
      },
      { name: 'b', poolName: 'q', path: '', options: { pool_name: 'q', path: '', threshold: 4 } },
    ]);
    const made = await Promise.all(backends.map((backend) => callBackend(backend, chat)));
    expect(made.map(({ body }) => body)).toEqual(['over 3', 'over 4']);
  });

  it('gives no backend what another can change in its options', async () => {
    const shared = { words: ['urgent'] };
    const source = sourceOf('export const shouldMakeReq = () => true;');
    const { backends } = await loadBackends([
      { ...source, name: 'a', options: { shared } },
      { ...source, name: 'b', options: { shared } },
    ]);
    const [a, b] = backends.map(({ options }) => options as { shared?: { words: string[] } });
    a!.shared!.words.push('late');
    expect(b!.shared).toEqual({ words: ['urgent'] });
  });

  it('finds all failures, each with its source, and loads the others in their order', async () => {
    const sources = [
      sourceOf('nonsense('),
      sourceOf('export const shouldMakeReq = () => true;'),
      sourceOf(''),
      { name: 'default', poolName: 'p', path: '', options: {} },
    ];
    const { backends, failures } = await loadBackends(sources);
    expect(backends.map(({ name }) => name)).toEqual([sources[1]?.name, 'default']);
    expect(failures.map(({ source }) => source)).toEqual([sources[0], sources[2]]);
  });

  it.each([
    ['an ES module', 'mjs'],
    ['an ES module in a .js file without a package.json', 'js'],
  ])('shows the way to a mistake in what a module imports: %s', async (_what, ending) => {
    writeFileSync(join(folder, `broken.${ending}`), '\nexport const = 1;');
    const { failures } = await loadInNode([
      sourceOf(`import './broken.${ending}'; export const shouldMakeReq = () => true;`, ending),
    ]);
    const [, file = 'no file named'] =
      /"node (\/.*)" shows where/.exec(Object.values(failures)[0] ?? '') ?? [];
    await expect(promisify(execFile)(process.execPath, [file])).rejects.toMatchObject({
      stderr: expect.stringContaining(`/broken.${ending}:2\n`),
    });
  });
});
