import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import type { Notification } from '../../src/core/delivery.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { folderWith, good, spoilt } from '../config/load-text.ts';
import { runCli, startCli } from '../support/cli.ts';
import { commandsFor, jsonLines, leftBehind, store, whatTheNextFinds } from '../support/dead-letters.ts';
import { operatorOf } from '../support/outbox-folder.ts';
import { startReceiver } from '../support/receiver.ts';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const DIED_AT = Date.UTC(2026, 10, 23, 12);
const HOUR = 3_600_000;

function notification(id: string, changes: Partial<Notification> = {}): Notification {
  return anyNotification({
    id,
    headers: { 'content-type': 'text/plain', authorization: 'Bearer of-the-ring' },
    body: 'a secret of theirs',
    acceptedAtMs: DIED_AT - HOUR,
    ...changes,
  });
}

function letter(id: string, changes: Partial<DeadLetter> = {}, of: Partial<Notification> = {}): DeadLetter {
  return {
    notification: notification(id, of),
    reason: 'rejected',
    diedAtMs: DIED_AT,
    attempts: 1,
    attempt: { outcome: '4xx', status: 410, durationSeconds: 0.012 },
    ...changes,
  };
}

const refused: Partial<DeadLetter> = {
  reason: 'expired',
  attempts: 7,
  attempt: { outcome: 'refused', errorCode: 'ECONNREFUSED', durationSeconds: 0.001 },
};

/** From its stanza a callback could make no request. */
const unmade: DeadLetter = {
  notification: notification('unmade', { backend: 'alerts', headers: {}, body: '' }),
  reason: 'callback',
  diedAtMs: DIED_AT,
  attempts: 0,
  stanza: {
    xml: '<message type="chat"><body>a secret of theirs</body></message>',
    namespace: 'jabber:client',
    dir: 'in',
    from: 'alice@example.com/a',
    to: 'bob@example.com',
    receivedAtMs: DIED_AT,
  },
};

describe('dead-letters list', () => {
  it('shows one a line, the newest last', async () => {
    const { run } = await leftBehind([
      letter('first'),
      letter('second', refused, { receiver: 'eve@example.org' }),
      unmade,
    ]);
    const { code, stdout, stderr } = await run('list');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      [
        '2026-11-23T12:00:00Z',
        'first',
        'chats',
        'http_pool',
        'rejected',
        '410',
        '1',
        'alice@example.com',
        'bob@example.com',
      ],
      [
        '2026-11-23T12:00:00Z',
        'second',
        'chats',
        'http_pool',
        'expired',
        'refused',
        '7',
        'alice@example.com',
        'eve@example.org',
      ],
      [
        '2026-11-23T12:00:00Z',
        'unmade',
        'alerts',
        'http_pool',
        'callback',
        '-',
        '0',
        'alice@example.com',
        'bob@example.com',
      ],
      [''],
    ]);
  });

  it('shows one JSON object a line that always has the same keys', async () => {
    const { run } = await leftBehind([letter('first'), unmade]);
    const { stdout } = await run('list', '--json');
    expect(jsonLines(stdout)).toEqual([
      {
        webhook_id: 'first',
        died_at: '2026-11-23T12:00:00.000Z',
        accepted_at: '2026-11-23T11:00:00.000Z',
        reason: 'rejected',
        status: 410,
        outcome: '4xx',
        error_code: null,
        attempts: 1,
        backend: 'chats',
        pool: 'http_pool',
        host: 'example.com',
        sender: 'alice@example.com',
        receiver: 'bob@example.com',
        body_bytes: 18,
      },
      expect.objectContaining({
        webhook_id: 'unmade',
        status: null,
        outcome: null,
        error_code: null,
        body_bytes: 0,
      }),
    ]);
  });

  it.each([['list'], ['list', '--json']])('shows neither bodies nor headers (%s %s)', async (...args) => {
    const { run } = await leftBehind([letter('first'), unmade]);
    expect((await run(...args)).stdout).not.toMatch(/secret|ring|authorization/);
  });

  it('lets no text of users break lines or steer a terminal', async () => {
    const { run } = await leftBehind([
      letter('first', {}, { receiver: '\u001b[2J\u2028b\n\u202Eob@example.com' }),
    ]);
    const { stdout } = await run('list');
    // oxlint-disable-next-line no-control-regex
    expect(stdout).toMatch(/^[^\u0000-\u001f\u2028\u202e]*\n$/);
  });

  const various = [
    letter('old', { diedAtMs: DIED_AT - 24 * HOUR }),
    letter(
      'other-host',
      {},
      { host: 'xn--strae-oqa.example', sender: 'alice@xn--strae-oqa.example', receiver: 'example.com' },
    ),
    letter('down', refused, { backend: 'alerts', receiver: 'eve@example.org' }),
    letter(
      'broken',
      { attempt: { outcome: '5xx', status: 501, durationSeconds: 1 } },
      { receiver: 'strasse@example.com' },
    ),
    { ...unmade, diedAtMs: Date.now() - HOUR },
  ];

  it.each([
    [
      ['--backend', 'alerts'],
      ['down', 'unmade'],
    ],
    [['--backend', 'alert'], []],
    [['--host', 'XN--STRAE-OQA.example'], ['other-host']],
    [
      ['--since', '2026-11-23'],
      ['other-host', 'down', 'broken', 'unmade'],
    ],
    [
      ['--since', '2026-11-23T12:00:00Z'],
      ['other-host', 'down', 'broken', 'unmade'],
    ],
    [['--since', '2026-11-23T12:00:00.001Z'], ['unmade']],
    [['--since', '61m'], ['unmade']],
    [['--since', '59m'], []],
    [['--since', '2h'], ['unmade']],
    [
      ['--since', '36500d'],
      ['old', 'other-host', 'down', 'broken', 'unmade'],
    ],
    [
      ['--status', '410'],
      ['old', 'other-host'],
    ],
    [['--status', '5xx'], ['broken']],
    [['--status', 'refused'], ['down']],
    [['--status', 'timeout'], []],
    [['--receiver', 'Eve@example.org/phone'], ['down']],
    [['--receiver', 'Straße'], ['broken']],
    [['--receiver', 'stra'], []],
    [['--receiver', 'EXAMPLE.com'], ['other-host']],
    [['--receiver', 'bob', '--backend', 'chats', '--host', 'example.com'], ['old']],
  ])('takes the filters %j', async (filters, ids) => {
    const { ids: idsOf } = await leftBehind(various);
    // What is "since" is relative to now, and these died when they died.
    expect(await idsOf(...filters)).toEqual(ids);
  });

  it.each([
    [['--since', 'yesterday'], '--since yesterday is neither a duration (90m, 24h, 7d) nor a time'],
    [['--since', '2026-13-01'], '--since 2026-13-01 is neither'],
    [['--status', '2xx'], '--status 2xx is neither an HTTP status nor one of 3xx, '],
    [['--status', '999'], '--status 999 is neither'],
    [['--colour'], "Unknown option '--colour'"],
    [['some-id'], "Unexpected argument 'some-id'"],
    [['--backend'], "Option '--backend <value>' argument missing"],
  ])('refuses %j', async (args, message) => {
    const { run } = await leftBehind();
    const { code, stdout, stderr } = await run('list', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.slice(0, message.length)).toBe(message);
    expect(stderr).toContain('Usage: xmpp-event-pusher dead-letters list [-c FILE] [OPTIONS]\n');
  });

  it('shows many without holding them all', async () => {
    const body = 'x'.repeat(10_000);
    const { folder } = await leftBehind(
      Array.from({ length: 10_000 }, (_, index) => letter(`id-${index}`, {}, { body })),
    );
    const environment = { NODE_OPTIONS: '--max-old-space-size=48' };
    const { ids } = commandsFor(join(folder, '..'), { environment });
    expect(await ids()).toHaveLength(10_000);
  });

  it('ends quietly when nobody reads on, as with head', async () => {
    const { folder } = await leftBehind(Array.from({ length: 5000 }, (_, index) => letter(`id-${index}`)));
    const list = startCli(['dead-letters', 'list', '-c', 'x.yaml'], { folder: join(folder, '..') });
    list.process.stdout?.destroy();
    expect(await list.ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('dead-letters show', () => {
  it('shows the whole request', async () => {
    const { run } = await leftBehind([letter('first'), letter('second')]);
    const { code, stdout } = await run('show', 'second');
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "webhook-id    second
      died at       2026-11-23T12:00:00.000Z
      reason        rejected
      attempts      1
      last attempt  410
      backend       chats
      pool          http_pool
      sender        alice@example.com
      receiver      bob@example.com
      accepted at   2026-11-23T11:00:00.000Z

      POST /notifications
      content-type: text/plain
      authorization: Bearer of-the-ring

      a secret of theirs
      "
    `);
  });

  it('shows the stanza from which no request was made', async () => {
    const { run } = await leftBehind([unmade]);
    const { stdout } = await run('show', 'unmade');
    expect(stdout).toContain(
      '\n\nstanza (dir in):\n<message type="chat"><body>a secret of theirs</body></message>\n',
    );
    expect(JSON.parse((await run('show', 'unmade', '--json')).stdout)).toMatchObject({
      method: null,
      path: null,
      headers: null,
      body: null,
      body_base64: null,
      stanza: {
        xml: unmade.stanza?.xml,
        namespace: 'jabber:client',
        dir: 'in',
        from: 'alice@example.com/a',
        to: 'bob@example.com',
        received_at: '2026-11-23T12:00:00.000Z',
      },
    });
  });

  it('shows bytes in base64', async () => {
    const body = new Uint8Array([0xff, 0x00, 0xfe]);
    const { run } = await leftBehind([letter('first', {}, { body })]);
    expect((await run('show', 'first')).stdout).toMatch(/\n\n\(3 bytes in base64\)\n\/wD\+\n$/);
    const { stdout } = await run('show', 'first', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      method: 'POST',
      path: '/notifications',
      headers: { authorization: 'Bearer of-the-ring' },
      body: null,
      body_base64: '/wD+',
      body_bytes: 3,
      stanza: null,
    });
  });

  it('fails for an id that is unknown, and without an id', async () => {
    const { run } = await leftBehind([letter('first')]);
    expect(await run('show', 'nobody')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'there is no dead letter nobody (one that is being delivered again is none)\n',
    });
    expect(await run('show')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^give one id\n\nUsage: /),
    });
    expect(await run('show', 'first', 'first')).toMatchObject({ code: 2 });
  });
});

describe('dead-letters redeliver', () => {
  it('hands the letters to the next sidecar, and leaves the others', async () => {
    const { folder, run, ids } = await leftBehind([letter('first'), letter('second'), unmade]);
    expect(await run('redeliver', 'first', 'unmade', 'first')).toMatchObject({
      code: 0,
      stdout: '2 dead letters will be delivered again\n',
      stderr: '',
    });
    expect(await ids()).toEqual(['second']);
    expect(await whatTheNextFinds(folder)).toMatchObject({
      mismatches: [],
      redelivered: ['first', 'unmade'],
    });
  });

  it('changes nothing if one id is unknown', async () => {
    const { folder, run, ids } = await leftBehind([letter('first'), letter('second')]);
    expect(await run('redeliver', 'first', 'nobody', 'second', 'nothing')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^there is no dead letter nobody .*\nthere is no dead letter nothing .*\n$/,
      ),
    });
    expect(await ids()).toEqual(['first', 'second']);
    expect(await whatTheNextFinds(folder)).toMatchObject({ redelivered: [] });
  });

  it('takes all, or all that filters choose', async () => {
    const letters = Array.from({ length: 2500 }, (_, index) => letter(`id-${index}`));
    const { folder, run, ids } = await leftBehind([letter('down', refused), ...letters]);
    expect(await run('redeliver', '--all', '--status', 'refused')).toMatchObject({
      stdout: '1 dead letter will be delivered again\n',
    });
    expect(await ids()).toHaveLength(2500);
    expect(await run('redeliver', '--all')).toMatchObject({
      code: 0,
      stdout: '2500 dead letters will be delivered again\n',
    });
    expect(await ids()).toEqual([]);
    expect(await run('redeliver', '--all')).toMatchObject({
      stdout: '0 dead letters will be delivered again\n',
    });
    expect((await whatTheNextFinds(folder)).mismatches).toEqual([]);
  });

  it('leaves those that die meanwhile, so that it ends', async () => {
    const { folder, ids } = await leftBehind(
      Array.from({ length: 1000 }, (_, index) => letter(`id-${index}`)),
    );
    const operator = await operatorOf(folder);
    const died: Promise<void>[] = [];
    const choice = {
      /** Asked for with each letter. */
      get sinceMs() {
        if (died.length === 0) died.push(store(folder, [letter('id-new')], []));
        return 0;
      },
    };
    expect(await operator.redeliver({ choice })).toEqual({ count: 1000, unknown: [] });
    await Promise.all([...died, operator.close()]);
    expect(await ids()).toEqual(['id-new']);
  });

  it('leaves one that died again while the sidecar has still to forget that it redelivers it', async () => {
    const { folder, run, ids } = await leftBehind([letter('first')]);
    await run('redeliver', 'first');
    const database = open({ path: folder, noSubdir: false, maxDbs: 8, overlappingSync: false });
    const text = { encoding: 'string' } as const;
    const json: unknown = database.openDB('redeliveries', text).get('first');
    database.openDB('letters', text).putSync(1, json);
    database.openDB('letter-numbers', {}).putSync('first', 1);
    await database.close();
    expect(await run('redeliver', '--all')).toMatchObject({
      stdout: '0 dead letters will be delivered again\n',
    });
    expect(await run('redeliver', 'first')).toMatchObject({ code: 1 });
    expect(await ids()).toEqual(['first']);
  });
});

describe('dead-letters drop', () => {
  it('removes letters for good', async () => {
    const { folder, run, ids } = await leftBehind([letter('first'), letter('second'), unmade]);
    expect(await run('drop', 'first')).toMatchObject({
      code: 0,
      stdout: '1 dead letter dropped\n',
      stderr: '',
    });
    expect(await ids()).toEqual(['second', 'unmade']);
    expect(await run('show', 'first')).toMatchObject({ code: 1 });
    expect(await run('drop', '--all', '--backend', 'alerts')).toMatchObject({
      stdout: '1 dead letter dropped\n',
    });
    expect(await ids()).toEqual(['second']);
    expect(await run('drop', 'second', 'first')).toMatchObject({ code: 1 });
    expect(await ids()).toEqual(['second']);
    expect(await run('drop', '--all')).toMatchObject({ stdout: '1 dead letter dropped\n' });
    expect(await whatTheNextFinds(folder)).toMatchObject({ mismatches: [], redelivered: [], dropped: 0 });
  });

  it('removes all that is stored of one person, and counts it', async () => {
    const toAlice = { sender: 'eve@example.org', receiver: 'alice@example.com' };
    const others = { sender: 'eve@example.org' };
    const { folder, run, ids } = await leftBehind(
      [letter('sent'), letter('got', {}, toAlice), letter('others', {}, others), letter('again'), unmade],
      [
        notification('waits'),
        notification('waits-others', { ...others, body: 'of alice@example.com' }),
        notification('waits-got', toAlice),
      ],
    );
    await run('redeliver', 'again');
    expect(await run('drop', '--jid', 'ALICE@example.com/phone')).toMatchObject({
      code: 0,
      stdout:
        'of alice@example.com: 3 dead letters, 1 letter waiting for redelivery, 2 waiting notifications dropped\n',
      stderr: '',
    });
    expect(await ids()).toEqual(['others']);
    expect(await whatTheNextFinds(folder)).toEqual({
      mismatches: [],
      waiting: ['waits-others'],
      redelivered: [],
      dropped: 2,
    });
  });
});

it.each([
  [['redeliver'], 'give the ids, or --all'],
  [['drop'], 'give the ids, or --all'],
  [['redeliver', '--backend', 'chats'], 'filters need --all beside them'],
  [['redeliver', 'first', '--all'], 'give either ids, or --all with filters'],
  [['drop', 'first', '--since', '1h'], 'give either ids, or --all with filters'],
  [['drop', '--jid', 'alice@example.com', '--all'], '--jid goes with neither'],
  [['drop', '--jid', 'alice@example.com', 'first'], '--jid goes with neither'],
  [['drop', '--jid', 'alice@example.com', '--host', 'x'], '--jid goes with neither'],
  [['drop', '--jid', ''], '--jid needs a JID'],
  [['redeliver', '--jid', 'alice@example.com'], "Unknown option '--jid'"],
  [['redeliver', '--all', '--json'], "Unknown option '--json'"],
])('dead-letters refuses %j, and changes nothing', async (args, message) => {
  const { run, ids } = await leftBehind([letter('first')]);
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.slice(0, message.length)).toBe(message);
  expect(stderr).toContain(`Usage: xmpp-event-pusher dead-letters ${args[0]} `);
  expect(await ids()).toEqual(['first']);
});

describe('the command dead-letters', () => {
  it('tells what it can do', async () => {
    const { code, stdout } = await runCli(['dead-letters', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "Usage: xmpp-event-pusher dead-letters COMMAND [OPTIONS]

        lists, shows, redelivers or drops dead letters: notifications that failed and will not be retried

        list         lists the dead letters, one a line, the newest last; without their bodies
        show         shows the whole request of a dead letter with its body, or the stanza from which none was made
        redeliver    delivers dead letters once more, under the same webhook-id, by the sidecar that runs or the next one
        drop         removes dead letters; they cannot be restored
      "
    `);
    expect(await runCli(['dead-letters'])).toMatchObject({ code: 2, stdout: '', stderr: stdout });
    expect((await runCli(['dead-letters', 'drop', '--help'])).stdout).toMatchInlineSnapshot(`
      "Usage: xmpp-event-pusher dead-letters drop [-c FILE] [OPTIONS] [ID…]

        removes dead letters; they cannot be restored

        -c, --config FILE   the configuration file ($XMPP_EVENT_PUSHER_CONFIG, else config/event-pusher.yaml, else /etc/xmpp-event-pusher/event-pusher.yaml)
        --all               all of them, or all that the following choose
        --backend NAME      only those of this backend
        --host DOMAIN       only those whose sender has this domain
        --since TIME        only those that died since then: 90m, 24h, 7d, or an ISO 8601 date or time
        --status CODE       only those whose last attempt ended so: an HTTP status, 3xx, 4xx, 5xx, timeout, refused, reset, dns, tls, other
        --receiver JID      only those to this bare JID, or to this local part
        --jid JID           all that is stored of this person: dead letters, and what waits to be sent
      "
    `);
  });

  it('refuses what it does not know', async () => {
    expect(await runCli(['dead-letters', 'lst'])).toMatchObject({
      code: 2,
      stderr:
        'unknown command lst; did you mean list?\n' +
        'the commands of dead-letters are list, show, redeliver, drop; see xmpp-event-pusher dead-letters --help\n',
    });
  });

  it('says so where the engine keeps no dead letters', async () => {
    const home = await folderWith({ 'x.yaml': `${good}outbox: { engine: memory }\n` });
    for (const args of [['list'], ['drop', '--all']]) {
      expect(await commandsFor(home).run(...args)).toMatchObject({
        code: 1,
        stdout: '',
        stderr: 'outbox.engine: the engine memory keeps no dead letters\n',
      });
    }
  });

  it('finds nothing where no sidecar has been, says so, and makes nothing there', async () => {
    const { folder, run } = await leftBehind();
    const stderr = `no sidecar has stored anything in ${folder} yet\n`;
    for (const args of [['list'], ['redeliver', '--all'], ['drop', '--jid', 'alice@example.com']]) {
      expect(await run(...args)).toMatchObject({ code: 0, stdout: '', stderr });
    }
    expect(await run('show', 'first')).toMatchObject({ code: 1 });
    expect(existsSync(folder)).toBe(false);
    mkdirSync(folder);
    writeFileSync(join(folder, 'data.mdb'), '');
    expect(await run('list')).toMatchObject({ code: 0, stdout: '', stderr });
    const database = open({ path: folder, noSubdir: false });
    await database.openDB('else', {}).put('a', 1);
    await database.close();
    for (const args of [['list'], ['redeliver', '--all']]) {
      expect(await run(...args)).toMatchObject({ code: 0, stdout: '', stderr });
    }
  });

  it('refuses a file that is none of its own', async () => {
    const { folder, run } = await leftBehind();
    mkdirSync(folder);
    writeFileSync(join(folder, 'data.mdb'), 'a letter to my aunt '.repeat(1000));
    for (const args of [['list'], ['show', 'x'], ['drop', '--all']]) {
      expect(await run(...args)).toMatchObject({
        code: 1,
        stderr: `outbox.options.path: cannot open ${folder}: data.mdb is no LMDB file; move it away, or set another path\n`,
      });
    }
  });

  it('refuses a folder that is none, and one of a newer version', async () => {
    const { folder, run } = await leftBehind();
    writeFileSync(folder, '');
    expect(await run('list')).toMatchObject({
      code: 1,
      stderr: `outbox.options.path: cannot open ${folder}: it is not a folder; set another path\n`,
    });
    const newer = await leftBehind([letter('first')]);
    const database = open({ path: newer.folder, noSubdir: false });
    await database.openDB<number, string>('meta', {}).put('format', 2);
    await database.close();
    for (const args of [['list'], ['drop', 'first']]) {
      expect(await newer.run(...args)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('it was written by a newer version (format 2, this one knows 1)\n'),
      });
    }
  });

  it('needs of the configuration only where the outbox is', async () => {
    const { folder } = await leftBehind([letter('first')]);
    const text = `${spoilt('swordfish', '${SECRET}')}outbox: { options: { path: "${folder}" } }\n`;
    const home = await folderWith({ 'x.yaml': text });
    expect(await commandsFor(home).ids()).toEqual(['first']);
    const unknown = await folderWith({ 'x.yaml': text.replace(folder, '${FOLDER}') });
    expect(await commandsFor(unknown).run('list')).toMatchObject({
      code: 78,
      stdout: '',
      stderr: expect.stringMatching(/^x\.yaml:4:11: .* SECRET is not set.*\nx\.yaml:12:.* FOLDER is not set/),
    });
    const misspelt = await folderWith({ 'x.yaml': text.replace('path:', 'paht:') });
    expect(await commandsFor(misspelt).run('list')).toMatchObject({ code: 78 });
    expect(await commandsFor(misspelt).run('list', '-c', 'nowhere.yaml')).toMatchObject({ code: 78 });
  });
});

/** A sidecar with two backends; `alerts` can make no request before the file `mended` is there. */
async function running(respond: number) {
  const home = await folderWith({});
  const [folder, mended] = [join(home, 'data'), join(home, 'mended')];
  const outbox = { options: { path: folder } };
  writeFileSync(join(home, 'x.yaml'), `${good}outbox: ${JSON.stringify(outbox)}\n`);
  const [server, receiver] = [await startXmppServer(), await startReceiver({ respond })];
  onTestFinished(() => receiver.stop());
  const sidecar = await startSidecar(
    {
      component: { service: server.service, domain: 'push.example.com', secret: 'secret' },
      outgoing_pools: [
        { tag: 'http_pool', server: receiver.url, retry: { first_delay: 1000, max_delay: 1000 } },
      ],
      mod_event_pusher: {
        backends: [
          { http: { name: 'chats', pool_name: 'http_pool', path: '/chats' } },
          {
            http: {
              name: 'alerts',
              pool_name: 'http_pool',
              path: '/alerts',
              callback_module: './alerts.mjs',
              options: { mended },
            },
          },
        ],
      },
      outbox,
    },
    {
      files: {
        'alerts.mjs': `
          import { existsSync } from 'node:fs';
          export const shouldMakeReq = ({ message }) => message === 'urgent';
          export const prepareBody = ({ sender, receiver, message }, { mended }) => {
            if (!existsSync(mended)) throw new Error('not mended');
            return [sender, receiver, message].join(' ');
          };`,
      },
    },
  );
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  const chat = (from: string, text: string): void =>
    peer.write(
      `<message from='${from}/a' to='bob@push.example.com' type='chat'><body>${text}</body></message>`,
    );
  return { folder, mended, receiver, sidecar, chat, ...commandsFor(home) };
}

/** Asks until the response is the one that must come. */
async function until<T>(ask: () => Promise<T>, isIt: (response: T) => boolean): Promise<T> {
  for (;;) {
    const response = await ask();
    if (isIt(response)) return response;
  }
}

describe('beside a running sidecar', () => {
  it('redelivers under the same webhook-id, what a callback failed on through the callback', async () => {
    const { folder, mended, receiver, sidecar, chat, run, ids } = await running(410);
    chat('alice@example.com', 'urgent');
    await receiver.next();
    const dead = await until(ids, ({ length }) => length === 2);
    const { stdout } = await run('list', '--json');
    const idOf = new Map(jsonLines(stdout).map((line) => [line['backend'], line['webhook_id']]));
    expect(receiver.requests[0]?.headers['webhook-id']).toBe(idOf.get('chats'));

    // Not mended yet: they are dead again, as the same letters.
    expect(await run('redeliver', '--all')).toMatchObject({
      stdout: '2 dead letters will be delivered again\n',
    });
    expect((await receiver.next()).headers['webhook-id']).toBe(idOf.get('chats'));
    expect((await until(ids, ({ length }) => length === 2)).toSorted()).toEqual(dead.toSorted());

    receiver.respondWith(204);
    writeFileSync(mended, '');
    // The sidecar may not have forgotten yet that it had redelivered them.
    await until(
      async () => (await run('redeliver', '--all'), ids()),
      ({ length }) => length === 0,
    );
    const chats = await receiver.next(({ path }) => path === '/chats');
    const alerts = await receiver.next(({ path }) => path === '/alerts');
    expect(chats.headers['webhook-id']).toBe(idOf.get('chats'));
    expect(chats.body).toBe('author=alice&server=example.com&receiver=bob&message=urgent');
    expect(alerts.headers['webhook-id']).toBe(idOf.get('alerts'));
    expect(alerts.body).toBe('alice bob urgent');

    const scraped = await until(
      () => sidecar.metrics(),
      ({ sum }) => sum('event_pusher_notifications_total', { state: 'delivered' }) === 2,
    );
    expect(scraped.sum('event_pusher_notifications_total', { state: 'accepted' })).toBe(6);
    expect(scraped.sum('event_pusher_notifications_total', { state: 'dead' })).toBe(4);
    expect(await sidecar.stop()).toBe(0);
    expect(await whatTheNextFinds(folder)).toEqual({
      mismatches: [],
      waiting: [],
      redelivered: [],
      dropped: 0,
    });
    expect(receiver.requests).toHaveLength(4);
  });

  it('removes what waits of one person: it is counted as dropped and sent no more', async () => {
    const { folder, receiver, sidecar, chat, run } = await running(503);
    chat('alice@example.com', 'one');
    chat('eve@example.com', 'two');
    await Promise.all(
      ['alice', 'eve'].map((sender) => receiver.next(({ body }) => body.includes(`author=${sender}&`))),
    );
    expect(await run('drop', '--jid', 'alice@example.com')).toMatchObject({
      stdout:
        'of alice@example.com: 0 dead letters, 0 letters waiting for redelivery, 1 waiting notification dropped\n',
    });
    await until(
      () => sidecar.metrics(),
      ({ sum }) => sum('event_pusher_notifications_total', { state: 'dropped' }) === 1,
    );
    const before = receiver.requests.length;
    receiver.respondWith(204);
    await until(
      () => sidecar.metrics(),
      ({ sum }) => sum('event_pusher_notifications_total', { state: 'delivered' }) === 1,
    );
    expect(receiver.requests.slice(before).filter(({ body }) => body.includes('alice'))).toEqual([]);
    expect(await sidecar.stop()).toBe(0);
    expect(await whatTheNextFinds(folder)).toEqual({
      mismatches: [],
      waiting: [],
      redelivered: [],
      dropped: 1,
    });
  });
});

describe('what users wrote', () => {
  /** A control of eight bits, one that turns the direction of writing, one that only separates, and an emoji of three parts. */
  const nasty = '\u009b2J\u202egnp.exe\u2066\u200f\u2028\u007f 👩\u200d🚀\u001b[31m';
  const visible = '\\u009b2J\\u202egnp.exe\\u2066\\u200f\\u2028\\u007f 👩\u200d🚀\\u001b[31m';

  it('comes to a terminal as escapes that can be seen', async () => {
    const { folder } = await leftBehind([letter('first', {}, { body: nasty, headers: { 'x-name': nasty } })]);
    const shown = onTerminal(folder, 'show first');
    expect(shown).toContain(`x-name: ${visible}`);
    expect(shown).toContain(`\n${visible}`);
    expect(shown).not.toMatch(/\p{Bidi_Control}/u);
  });

  it('is the same value in JSON: each letter is one line that steers no terminal', async () => {
    const { folder, run } = await leftBehind([
      letter('first', {}, { body: nasty, receiver: `${nasty}@example.com` }),
      letter('second'),
    ]);
    for (const command of ['list --json', 'show first --json']) {
      const shown = onTerminal(folder, command);
      const piped = (await run(...command.split(' '))).stdout;
      expect(shown.replaceAll('\r', '')).toBe(piped);
      // oxlint-disable-next-line no-control-regex
      expect(piped).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}\p{Zl}]/u);
      const [first] = jsonLines(piped);
      expect(first).toMatchObject({ receiver: `${nasty}@example.com` });
      expect(piped.split('\n')).toHaveLength(command.startsWith('list') ? 3 : 2);
    }
  });

  it('goes as it is to a file or another program', async () => {
    const { run } = await leftBehind([letter('first', {}, { body: nasty })]);
    expect((await run('show', 'first')).stdout).toContain(`\n\n${nasty}\n`);
  });

  it('does not come back from the command line either', async () => {
    const { run } = await leftBehind([letter('first')]);
    expect((await run('show', '\u009bx\u202e')).stderr).toContain(
      'there is no dead letter \\u009bx\\u202e (',
    );
  });
});

/** What a command prints on a terminal. */
function onTerminal(folder: string, command: string): string {
  const line = `'${process.execPath}' '${main}' dead-letters ${command} -c x.yaml`;
  const { stdout } = spawnSync('script', ['-qec', line, '/dev/null'], {
    cwd: join(folder, '..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return stdout;
}
