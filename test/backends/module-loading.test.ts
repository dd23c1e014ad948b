import { describe, expect, it } from 'vitest';
import { checkModules, startCallbackProcess } from '../support/callback-process.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const canLoadTypeScript = Boolean((process.features as { typescript?: unknown }).typescript);

describe('a callback module that lies anywhere', () => {
  it.each([
    [
      'an ES module',
      'mjs',
      `import xml from '@xmpp/xml';
       export const shouldMakeReq = ({ packet }) => packet instanceof xml.Element;
       export const prepareBody = ({ message }) => xml('said', {}, message).toString();`,
    ],
    [
      'a CommonJS module',
      'cjs',
      `const xml = require('@xmpp/xml');
       exports.shouldMakeReq = ({ packet }) => packet instanceof xml.Element;
       exports.prepareBody = ({ message }) => xml('said', {}, message).toString();`,
    ],
    [
      'an ES module, when it is asked',
      'mjs',
      `export const shouldMakeReq = async ({ packet }) => packet instanceof (await import('@xmpp/xml')).default.Element;
       export const prepareBody = ({ message }) => '<said>' + message + '</said>';`,
    ],
  ])('may import @xmpp/xml, which its stanza is made with: %s', async (_what, ending, source) => {
    const sidecar = await startCallbackProcess({ backends: { mine: source }, ending });
    sidecar.chat('Hi');
    expect((await sidecar.receiver.next()).body).toBe('<said>Hi</said>');
  });

  it.each([
    ['ES', 'mjs', "import { name } from '@xmpp/xml'; throw new Error(name);"],
    ['CommonJS', 'cjs', "throw new Error(require('@xmpp/xml').name);"],
  ])('gets its own @xmpp/xml if it has one: %s', async (_what, ending, source) => {
    const { stderr } = await checkModules({
      backends: { mine: source },
      ending,
      files: {
        'node_modules/@xmpp/xml/package.json': '{ "name": "@xmpp/xml", "main": "own.js" }',
        'node_modules/@xmpp/xml/own.js': "exports.name = 'its own';",
      },
    });
    expect(stderr).toMatch(/cannot be used: its own\n$/);
  });

  it.each([
    ['ES', 'mjs', "import got from 'got';"],
    ['CommonJS', 'cjs', "require('got');"],
    ['ES, a part of the package', 'mjs', "import '@xmpp/xml/lib/Parser.js';"],
  ])('gets nothing else of ours: %s', async (_what, ending, source) => {
    const { code, stderr } = await checkModules({ backends: { mine: source }, ending });
    expect(code).toBe(78);
    expect(stderr).toMatch(/cannot be used: Cannot find (package|module) '(got|@xmpp\/xml\S*)'/);
  });
});

describe('a callback module in TypeScript', () => {
  const source = 'export const shouldMakeReq = ({ dir }: { dir: string }): boolean => dir === "in";';

  it.runIf(canLoadTypeScript)('can be used where Node can load it', async () => {
    const sidecar = await startCallbackProcess({ backends: { typed: source }, ending: 'ts' });
    sidecar.chat('Hi');
    await sidecar.receiver.next();
  });

  it.skipIf(canLoadTypeScript).each(['ts', 'mts', 'cts'])(
    'is a problem that says what to do where Node cannot: .%s',
    async (ending) => {
      const { code, stderr } = await checkModules({ backends: { typed: source }, ending });
      expect(code).toBe(78);
      expect(stderr).toMatch(
        /^x\.yaml:\d+:\d+: the callback module of typed cannot be used: Node \d+\S* cannot load TypeScript \(.*\): compile it to JavaScript, or run Node 22\.18 or later\n$/,
      );
    },
  );
});

describe('a syntax error', () => {
  it.each([
    ['an ES module', 'mjs', 'export const = 1;', {}, /mine\.mjs:1:14/],
    ['an ES module in a .js file', 'js', 'export const = 1;', {}, /mine\.js:1:14/],
    ['a CommonJS module', 'cjs', '\nexports. = 1;', {}, /mine\.cjs:2:10/],
    [
      'a CommonJS module that an ES module imports',
      'mjs',
      "import './broken.cjs'; export const shouldMakeReq = () => true;",
      { 'broken.cjs': '\nexports. = 1;' },
      /broken\.cjs:2:10/,
    ],
  ])(
    'is told by `check` with its file, line and column: in %s',
    async (_what, ending, source, files, place) => {
      const { code, stderr } = await checkModules({ backends: { mine: source }, ending, files });
      expect(code).toBe(78);
      expect(stderr).toMatch(/^x\.yaml:\d+:\d+: the callback module of mine cannot be used: .* \(\/\S+\)\n$/);
      expect(stderr).toMatch(place);
    },
  );
});

describe('a misspelt callback beside a good one', () => {
  const wrong = (name: string, meant: string): string =>
    `warning: the callback module of mine exports ${name}, which is not a callback: did you mean ${meant}?`;
  const good = "export const prepareBody = () => '';";

  it.each([
    ['by name', 'mjs', `${good} export function prepareHeader() {}`, ['prepareHeader', 'prepareHeaders']],
    [
      'in the default object',
      'mjs',
      'export default { prepareHeaders() { return {}; }, prepareBodi() {} };',
      ['prepareBodi', 'prepareBody'],
    ],
    [
      'as MongooseIM writes it',
      'mjs',
      `${good} export const should_make_req = () => true;`,
      ['should_make_req', 'shouldMakeReq'],
    ],
    [
      'in CommonJS',
      'cjs',
      "exports.prepareBody = () => ''; exports.shouldmakereq = () => true;",
      ['shouldmakereq', 'shouldMakeReq'],
    ],
    [
      'in a CommonJS module that a compiler made of a default export',
      'cjs',
      "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { prepareBody: () => '', prepareHeader() {} };",
      ['prepareHeader', 'prepareHeaders'],
    ],
    [
      'in a class',
      'mjs',
      "class Mine { prepareBody() { return ''; } prepareHeader() {} } export default new Mine();",
      ['prepareHeader', 'prepareHeaders'],
    ],
  ] as const)(
    'is a warning of `check` where the module is named: %s',
    async (_what, ending, source, [name, meant]) => {
      const { code, stderr } = await checkModules({ backends: { mine: source }, ending });
      expect(code).toBe(0);
      expect(stderr).toMatch(/^x\.yaml:\d+:25: /);
      expect(stderr.replace(/^x\.yaml:\d+:\d+: /, '')).toBe(`${wrong(name, meant)}\n`);
    },
  );

  it.each([
    ['is no function', "export const prepareHeader = 'x-y';"],
    ['has another name', 'export function headersOf() {} export function prepareEverything() {}'],
    ['is a callback in the default object', 'export default { shouldMakeReq: () => true };'],
    [
      'is a getter, which is not asked',
      "export default { get prepareHeader() { throw new Error('asked'); } };",
    ],
  ])('is none that %s', async (_what, source) => {
    expect(await checkModules({ backends: { mine: `${good} ${source}` } })).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  it('is told beside a module that cannot be used', async () => {
    const { code, stderr } = await checkModules({
      backends: { mine: `${good} export function prepareHeader() {}`, other: '1;' },
    });
    expect(code).toBe(78);
    expect(stderr).toContain(wrong('prepareHeader', 'prepareHeaders'));
    expect(stderr).toContain('the callback module of other cannot be used');
  });

  it('is a warning in the log of `run`, which runs', async () => {
    const sidecar = await startCallbackProcess({
      backends: {
        mine: `${good} export const shouldMakeReq = () => true; export function prepareHeader() {}`,
      },
    });
    expect(await sidecar.logged('configuration-problem')).toMatchObject({
      level: 'warn',
      code: 'misspelt-callback',
      file: 'x.yaml',
    });
    sidecar.chat('Hi');
    await sidecar.receiver.next();
  });
});
