import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderWith, good, spoilt, trusting } from '../config/load-text.ts';
import { runCli, startCli } from '../support/cli.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

describe('the command line', () => {
  it.each(['--version', '-V'])('tells its version (%s)', async (option) => {
    expect(await runCli([option])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('tells what it can do', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatchInlineSnapshot(`
      "Usage: xmpp-event-pusher COMMAND [OPTIONS]

        run          connects to the XMPP server and delivers notifications, until SIGTERM or SIGINT
        check        says whether the configuration file is good, with every problem if it is not
        schema       prints the JSON Schema of the configuration file, for editors
        healthcheck  succeeds while a running sidecar is ready, for containers
        dead-letters lists, shows, redelivers or drops dead letters: notifications that failed and will not be retried

      Options:
        -c, --config FILE   the configuration file ($XMPP_EVENT_PUSHER_CONFIG, else config/event-pusher.yaml, else /etc/xmpp-event-pusher/event-pusher.yaml)
        -h, --help, help    this text, or that of a command
        -V, --version       the version

      Exit codes: 0 success, 78 bad configuration, 2 wrong usage, 1 anything else.
      "
    `);
    for (const word of ['-h', 'help']) {
      expect(await runCli([word])).toMatchObject({ code: 0, stdout, stderr: '' });
    }
  });

  it('tells it on stderr, and fails, when nothing is asked of it', async () => {
    const { stdout: help } = await runCli(['--help']);
    expect(await runCli([])).toMatchObject({ code: 2, stdout: '', stderr: help });
  });

  it('tells what one command takes', async () => {
    const { code, stdout } = await runCli(['check', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "Usage: xmpp-event-pusher check [-c FILE] [OPTIONS]

        says whether the configuration file is good, with every problem if it is not

        -c, --config FILE   the configuration file ($XMPP_EVENT_PUSHER_CONFIG, else config/event-pusher.yaml, else /etc/xmpp-event-pusher/event-pusher.yaml)
        --json              each problem as one JSON object a line, on stdout
      "
    `);
  });

  it.each(['check', 'dead-letters', 'dead-letters list'])(
    'tells the same to help %s as with --help behind it',
    async (command) => {
      const { code, stdout } = await runCli(['help', ...command.split(' ')]);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: xmpp-event-pusher ${command} `);
      expect((await runCli([...command.split(' '), '--help'])).stdout).toBe(stdout);
    },
  );

  it.each([
    [
      ['chek'],
      'unknown command chek; did you mean check?\nthe commands are run, check, schema, healthcheck, dead-letters; ',
    ],
    [
      ['explain'],
      'unknown command explain\nthe commands are run, check, schema, healthcheck, dead-letters; ',
    ],
    [
      ['constructor'],
      'unknown command constructor\nthe commands are run, check, schema, healthcheck, dead-letters; ',
    ],
    [['help', 'chek'], 'unknown command chek; did you mean check?\n'],
    [['--colour'], 'unknown option --colour\n'],
    [
      ['check', '--colour'],
      "Unknown option '--colour'\n\nUsage: xmpp-event-pusher check [-c FILE] [OPTIONS]\n",
    ],
    [['check', 'file.yaml'], "Unexpected argument 'file.yaml'\n\nUsage: "],
    [['check', '-c'], "Option '-c, --config <value>' argument missing\n\nUsage: "],
    [['run', 'file.yaml'], "Unexpected argument 'file.yaml'\n\nUsage: "],
    [['healthcheck', '--json'], "Unknown option '--json'\n\nUsage: "],
    [['dead-letters'], 'Usage: xmpp-event-pusher dead-letters COMMAND'],
    [['dead-letters', 'show'], 'give one id\n\nUsage: '],
    [['schema', '-c', 'x'], "Unknown option '-c'\n\nUsage: xmpp-event-pusher schema\n"],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.slice(0, message.length)).toBe(message);
  });
});

describe('the configuration file', () => {
  it('is the one that -c names, else the one of the variable, else that in config', async () => {
    const folder = await folderWith({
      'one.yaml': good,
      'two.yaml': good,
      'config/event-pusher.yaml': good,
    });
    const environment = { XMPP_EVENT_PUSHER_CONFIG: 'two.yaml' };
    const checked = async (args: string[], variables: Record<string, string>): Promise<string> =>
      (await runCli(['check', ...args], { folder, environment: variables })).stdout;
    expect(await checked(['-c', 'one.yaml'], environment)).toBe('one.yaml: good\n');
    expect(await checked([], environment)).toBe('two.yaml: good\n');
    expect(await checked([], {})).toBe('config/event-pusher.yaml: good\n');
    expect(await checked([], { XMPP_EVENT_PUSHER_CONFIG: '' })).toBe('config/event-pusher.yaml: good\n');
  });

  it('is missed by its name where there is none', async () => {
    const folder = await folderWith({});
    const environment = { XMPP_EVENT_PUSHER_CONFIG: 'none.yaml' };
    expect(await runCli(['check'], { folder, environment })).toMatchObject({
      code: 78,
      stderr:
        'none.yaml:1:1: there is no such file: name another one with -c FILE, or in XMPP_EVENT_PUSHER_CONFIG\n',
    });
  });
});

describe('schema', () => {
  it('prints the JSON Schema', async () => {
    const { code, stdout, stderr } = await runCli(['schema']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      properties: { component: { properties: { domain: { type: 'string' } } } },
    });
  });

  it('ends quietly when nobody reads on, as with head', async () => {
    const schema = startCli(['schema']);
    schema.process.stdout?.destroy();
    expect(await schema.ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('check', () => {
  it('is content with a good file', async () => {
    const folder = await folderWith({ 'event-pusher.yaml': trusting });
    const file = join(folder, 'event-pusher.yaml');
    expect(await runCli(['check', '-c', file])).toMatchObject({
      code: 0,
      stdout: `${file}: good\n`,
      stderr: '',
    });
    expect(await runCli(['check', `--config=${file}`])).toMatchObject({ code: 0 });
  });

  it('reads config/event-pusher.yaml unless told otherwise, with variables from the environment', async () => {
    const text = spoilt('swordfish', '${SECRET}');
    const folder = await folderWith({ 'config/event-pusher.yaml': text });
    expect(await runCli(['check'], { folder, environment: { SECRET: 'swordfish' } })).toMatchObject({
      code: 0,
      stdout: 'config/event-pusher.yaml: good\n',
    });
    expect(await runCli(['check'], { folder })).toMatchObject({
      code: 78,
      stderr:
        'config/event-pusher.yaml:4:11: the environment variable SECRET is not set: set it, or give a default with ${SECRET:-default}\n',
    });
  });

  it('prints every problem as FILE:LINE:COLUMN: message on stderr, and exits with 78', async () => {
    const folder = await folderWith({ 'x.yaml': spoilt('swordfish', '[]').replace('http_pool\n', 'x\n') });
    expect(await runCli(['check', '-c', './x.yaml'], { folder })).toEqual({
      code: 78,
      signal: null,
      stdout: '',
      stderr:
        './x.yaml:4:11: component.secret must be text\n' +
        './x.yaml:11:20: mod_event_pusher.backends[0].http.pool_name names no outgoing pool: none has the tag http_pool; there are x\n',
    });
  });

  it('prints every problem as one JSON object a line when asked for JSON, and nothing else', async () => {
    const folder = await folderWith({
      'x.yaml': spoilt('swordfish', '${SECRET}').concat('shutdown_timeout: -1\n'),
      'good.yaml': trusting,
    });
    const { code, stdout, stderr } = await runCli(['check', '--json', '-c', 'x.yaml'], { folder });
    expect({ code, stderr }).toEqual({ code: 78, stderr: '' });
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toEqual([
      {
        file: 'x.yaml',
        line: 4,
        column: 11,
        severity: 'error',
        code: 'missing-variable',
        message: expect.stringMatching(/^the environment variable SECRET is not set: /),
      },
      {
        file: 'x.yaml',
        line: 12,
        column: 19,
        severity: 'error',
        code: 'invalid-value',
        message: 'shutdown_timeout must be at least 0',
      },
    ]);
    expect(await runCli(['check', '--json', '-c', 'good.yaml'], { folder })).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('prints a warning with that word before it, and is content all the same', async () => {
    const folder = await folderWith({ 'x.yaml': good });
    const message = 'component.trusted_domains has no domain, so the tap forwarded discards every copy: ';
    expect(await runCli(['check', '-c', 'x.yaml'], { folder })).toMatchObject({
      code: 0,
      stdout: 'x.yaml: good\n',
      stderr: `x.yaml:1:1: warning: ${message}list the domains of your users\n`,
    });
    const { code, stdout } = await runCli(['check', '--json', '-c', 'x.yaml'], { folder });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ severity: 'warning', code: 'nobody-trusted' });
  });

  it('exits with 78 even if nobody reads the problems', async () => {
    const folder = await folderWith({ 'x.yaml': '' });
    const check = startCli(['check', '-c', 'x.yaml'], { folder });
    check.process.stderr?.destroy();
    expect(await check.ended).toMatchObject({ code: 78 });
  });

  it('loads the callback modules, and tells where and why one of them cannot be used', async () => {
    const folder = await folderWith({
      'x.yaml': `${trusting}        callback_module: ./one.mjs
    - http: { pool_name: http_pool, name: chats, callback_module: ./two.mjs }
    - http: { pool_name: http_pool, callback_module: ./three.mjs }
    - http: { pool_name: http_pool, callback_module: ./four.mjs }
`,
      'one.mjs': 'throw new Error("no database\\n  at all");',
      'two.mjs': 'export const shouldMakeReq = 1;',
      'three.mjs': 'export const shouldMakeRequest = () => true;',
      'four.mjs': 'export const shouldMakeReq = () => true;',
    });
    const { code, stderr } = await runCli(['check', '-c', 'x.yaml'], { folder });
    expect(code).toBe(78);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'x.yaml:13:26: the callback module of http_pool cannot be used: no database at all',
      'x.yaml:14:67: the callback module of chats cannot be used: its shouldMakeReq is not a function',
      expect.stringMatching(
        /^x\.yaml:15:54: the callback module of http_pool#2 cannot be used: it exports none of /,
      ),
    ]);
  });

  it('ends although a callback module keeps the process busy', async () => {
    const folder = await folderWith({
      'x.yaml': `${trusting}        callback_module: ./busy.mjs\n`,
      'busy.mjs': 'setInterval(() => {}, 1000); export const shouldMakeReq = () => true;',
    });
    expect(await runCli(['check', '-c', 'x.yaml'], { folder })).toMatchObject({ code: 0, stderr: '' });
  });

  it('says so when a callback module waits for what never comes', async () => {
    const folder = await folderWith({
      'x.yaml': `${trusting}        callback_module: ./waiting.mjs\n`,
      'waiting.mjs': 'await new Promise(() => {});',
    });
    expect(await runCli(['check', '-c', 'x.yaml'], { folder })).toMatchObject({
      code: 78,
      stdout: '',
      stderr:
        'x.yaml:13:26: the callback module of http_pool cannot be used: it was not loaded within 10 s: what does it wait for?\n',
    });
  });
});
