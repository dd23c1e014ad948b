import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { folderWith } from '../config/load-text.ts';
import { blocksOf, readPage } from '../support/pages.ts';
import { startReceiver } from '../support/receiver.ts';
import { startXmppServer } from '../support/xmpp-server.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const root = fileURLToPath(new URL('../..', import.meta.url));
const isRoot = process.getuid?.() === 0;
/** The user `nobody`: some user who is not root. */
const SERVICE = isRoot ? 65_534 : (process.getuid?.() ?? 0);

const blocks = blocksOf(readPage('config/backup.md')).map(({ text }) => text);
const [hot = '', cold = '', restore = ''] = blocks;

/** A machine with a sidecar that programs called `systemctl` and `npm` know. */
async function machine() {
  const server = await startXmppServer();
  const receiver = await startReceiver({ respond: 503 });
  onTestFinished(() => receiver.stop());
  const home = await folderWith({});
  const [state, backups, programs, modules] = ['state', 'backups', 'bin', 'modules'].map((name) =>
    join(home, name),
  ) as [string, string, string, string];
  for (const folder of [state, programs, modules]) mkdirSync(folder);
  for (const folder of [home, state]) chownSync(folder, SERVICE, SERVICE);
  symlinkSync(root, join(modules, 'xmpp-event-pusher'));
  const configuration = {
    component: { service: server.service, domain: 'push.example.com', secret: 'secret' },
    outgoing_pools: [{ tag: 'http_pool', server: receiver.url, retry: { first_delay: 200, max_delay: 200 } }],
    mod_event_pusher: { backends: [{ http: { name: 'chats', pool_name: 'http_pool' } }] },
    telemetry: { listen: '127.0.0.1:0' },
    outbox: { options: { path: state } },
  };
  writeFileSync(join(home, 'x.yaml'), JSON.stringify(configuration));
  chmodSync(join(home, 'x.yaml'), 0o644);
  const asService = isRoot ? `setpriv --reuid=${SERVICE} --regid=${SERVICE} --clear-groups` : '';
  const pidFile = join(home, 'pid');
  const program = (name: string, text: string): void =>
    writeFileSync(join(programs, name), `#!/bin/sh\n${text}`, { mode: 0o755 });
  program('npm', `echo ${modules}\n`);
  program(
    'systemctl',
    `case $1 in
    start) ${asService} ${process.execPath} ${join(root, 'dist/main.js')} run -c ${join(home, 'x.yaml')} >>${join(home, 'log')} 2>&1 &
      echo $! >${pidFile} ;;
    stop) pid=$(cat ${pidFile}); kill $pid
      while grep -q '^State:.[^Z]' /proc/$pid/status 2>/dev/null; do sleep 0.05; done ;;
    esac\n`,
  );
  onTestFinished(() => void spawnSync('kill', ['-9', readFileSync(pidFile, 'utf8').trim()]));
  /** Pastes commands of the page, for this machine's folders, as a terminal would. */
  const paste = (text: string): void => {
    const input = text
      .replaceAll('/var/lib/xmpp-event-pusher', state)
      .replaceAll('/var/backups/xmpp-event-pusher', backups);
    const { status, stderr } = spawnSync('bash', ['-e', '-s'], {
      input,
      encoding: 'utf8',
      env: { PATH: `${programs}:${process.env['PATH']}` },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  };
  return { server, receiver, state, backups, paste, log: () => readFileSync(join(home, 'log'), 'utf8') };
}

describe('a backup as the page tells', () => {
  it.each([
    ['of a running sidecar', hot],
    ['of a stopped sidecar', cold],
  ])('%s brings back what waited, under the same webhook-ids', async (_which, backup) => {
    const { server, receiver, state, backups, paste } = await machine();
    const idOf = new Map<string, unknown>();
    /** The next request with this text; it must have the id that the text had before. */
    const comes = async (text: string): Promise<void> => {
      const { headers } = await receiver.next(({ body }) => body.includes(`message=${text}`));
      const id = headers['webhook-id'];
      expect(idOf.get(text) ?? id).toBe(id);
      idOf.set(text, id);
    };
    paste('systemctl start xmpp-event-pusher\n');
    let peer = await server.welcome();
    const chat = (text: string): void =>
      peer.write(
        `<message from='${text}@example.com/a' to='bob@push.example.com' type='chat'><body>${text}</body></message>`,
      );
    for (const text of ['one', 'two']) chat(text);
    for (const text of ['one', 'two']) await comes(text);
    paste(backup);
    if (backup === cold) peer = await server.welcome();
    const [copy = ''] = readdirSync(backups);
    expect(readdirSync(join(backups, copy))).toEqual(['data.mdb']);
    expect(statSync(join(backups, copy, 'data.mdb')).mode & 0o777).toBe(0o600);

    receiver.respondWith(204);
    for (const text of ['one', 'two']) await comes(text);
    chat('later');
    await comes('later');

    const before = receiver.requests.length;
    paste(restore);
    await server.welcome();
    for (const text of ['one', 'two']) await comes(text);
    expect(receiver.requests.slice(before).filter(({ body }) => body.includes('later'))).toEqual([]);
    for (const name of readdirSync(state).filter((file) => file !== 'data.mdb.before')) {
      const { uid, mode } = statSync(join(state, name));
      expect({ name, uid, mode: mode & 0o777 }).toEqual({ name, uid: SERVICE, mode: 0o600 });
    }
    expect(existsSync(join(state, 'data.mdb.before'))).toBe(true);
  });

  it('needs no other commands than these', () => {
    expect(blocks).toHaveLength(3);
  });
});
