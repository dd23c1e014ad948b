import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, it, onTestFinished } from 'vitest';
import { endedCleanly } from '../../src/outbox/lmdb/files.ts';
import { folderWith, good } from '../config/load-text.ts';
import { runCli, startCli } from '../support/cli.ts';
import { store } from '../support/dead-letters.ts';
import { notification } from '../support/notification.ts';
import { openFolder, temporaryFolder } from '../support/outbox-folder.ts';
import { startPutter } from '../support/putter.ts';
import { describeWithSmallDisk } from '../support/small-disk.ts';
import { once } from '../support/wait.ts';
import { allow } from '../support/limits.ts';

allow('processes');

/** The user `nobody`: some user who is not root. */
const SERVICE = 65_534;
const isRoot = process.getuid?.() === 0;
const describeAsRoot = isRoot ? describe : describe.skip;

const letters = [1, 2, 3].map((index) => ({
  notification: notification({ id: `id-${index}` }),
  reason: 'rejected' as const,
  diedAtMs: 1,
  attempts: 1,
}));

/** A configuration and an outbox folder of a user, as a sidecar leaves it. */
async function folderOf(uid: number) {
  const home = await folderWith({ 'x.yaml': `${good}telemetry: { listen: '127.0.0.1:0' }\n` });
  const folder = join(home, 'data');
  await store(folder, letters, []);
  for (const path of [home, folder, ...filesIn(folder)]) chownSync(path, uid, uid);
  const commandsOf = (user: number) => (args: readonly string[]) =>
    runCli(['dead-letters', ...args, '-c', 'x.yaml'], { folder: home, ...(user !== 0 && { uid: user }) });
  return { home, folder, commandsOf };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder).map((name) => join(folder, name));
}

/** Starts a sidecar as a user; for stanzas it lacks only a server. */
function startSidecar(home: string, uid: number) {
  return startCli(['run', '-c', 'x.yaml'], { folder: home, ...(uid !== 0 && { uid }) });
}

/** What a sidecar and the commands say of a folder that they cannot use: all must end in words. */
async function refusals(home: string, uid: number): Promise<string[]> {
  const options = { folder: home, ...(uid !== 0 && { uid }) };
  const calls = [
    ['run'],
    ['dead-letters', 'list'],
    ['dead-letters', 'show', 'id-1'],
    ['dead-letters', 'drop', '--all'],
  ];
  const said: string[] = [];
  for (const call of calls) {
    const { code, signal, stderr } = await runCli([...call, '-c', 'x.yaml'], options);
    expect({ call, code, signal }).toEqual({ call, code: 1, signal: null });
    said.push(stderr);
  }
  return said;
}

function expectEach(said: readonly string[], pattern: RegExp): void {
  for (const one of said) expect(one).toMatch(pattern);
}

describeAsRoot('files of another user in an outbox folder', () => {
  it.each(['lock.mdb', 'data.mdb'])('are told of in words: %s of root', async (name) => {
    const { home, folder } = await folderOf(SERVICE);
    chownSync(join(folder, name), 0, 0);
    chmodSync(join(folder, name), 0o644);
    const said = await refusals(home, SERVICE);
    expectEach(
      said,
      new RegExp(
        `cannot open .*: EACCES: ${name} belongs to user 0 with mode 644: this user \\(65534\\) may not`,
      ),
    );
  });

  it('are never left by commands of root, whatever they do', async () => {
    const { home, folder, commandsOf } = await folderOf(SERVICE);
    const root = commandsOf(0);
    for (const args of [
      ['list'],
      ['show', 'id-1'],
      ['redeliver', 'id-1'],
      ['drop', 'id-2'],
      ['drop', '--all'],
      ['drop', '--jid', 'a@b'],
    ]) {
      rmSync(join(folder, 'lock.mdb'));
      expect(await root(args)).toMatchObject({ code: 0 });
      for (const path of filesIn(folder)) expect([path, lstatSync(path).uid]).toEqual([path, SERVICE]);
    }
    expect(await commandsOf(SERVICE)(['list'])).toMatchObject({ code: 0, stderr: '' });
    const sidecar = startSidecar(home, SERVICE);
    await sidecar.logged('telemetry-listening');
    sidecar.process.kill('SIGTERM');
    expect(await sidecar.ended).toMatchObject({ code: 0 });
  });

  it('are not left by a sidecar that root started', async () => {
    const { home, folder } = await folderOf(SERVICE);
    for (const path of filesIn(folder)) rmSync(path);
    const sidecar = startSidecar(home, 0);
    await sidecar.logged('telemetry-listening');
    expect(readdirSync(folder)).toHaveLength(3);
    for (const path of filesIn(folder)) expect([path, lstatSync(path).uid]).toEqual([path, SERVICE]);
    // Another one sees that it lives, whoever that one is.
    const other = await runCli(['run', '-c', 'x.yaml'], { folder: home, uid: SERVICE });
    expect(other).toMatchObject({ code: 1 });
    expect(other.stdout + other.stderr).toContain('another sidecar works on it');
    sidecar.process.kill('SIGKILL');
    await sidecar.ended;
    const next = startSidecar(home, SERVICE);
    await next.logged('telemetry-listening');
  });

  it('do not pass for those of nobody: a socket that this user may not try', async () => {
    const { home, folder } = await folderOf(SERVICE);
    const server = net.createServer().listen(join(folder, 'owner-1.sock'));
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { code, stderr, stdout } = await runCli(['run', '-c', 'x.yaml'], { folder: home, uid: SERVICE });
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("owner-1.sock is another user's");
  });
});

describe('the files in an outbox folder', () => {
  const names = ['data.mdb', 'lock.mdb'] as const;
  /** What may be in a file's place, and how it is called. */
  const others: [string, (path: string) => void][] = [
    ['a link', (path) => (renameSync(path, `${path}.away`), symlinkSync(`${path}.away`, path))],
    ['a link', (path) => (rmSync(path), symlinkSync('/nowhere/at/all', path))],
    ['a folder', (path) => (rmSync(path), mkdirSync(path))],
    ['a FIFO', (path) => (rmSync(path), spawnSync('mkfifo', [path]))],
  ];

  it.each(names.flatMap((name) => others.map(([kind, put]) => [name, kind, put] as const)))(
    'are files: with %s being %s it is refused in words',
    async (name, kind, put) => {
      const { home, folder } = await folderOf(process.getuid?.() ?? 0);
      put(join(folder, name));
      const said = await refusals(home, 0);
      expectEach(said, new RegExp(`cannot open .*: ${name} is ${kind}, not a file; move it away`));
    },
  );

  it('can be read by their user only, whatever the umask is', async () => {
    const former = process.umask(0);
    onTestFinished(() => void process.umask(former));
    const folder = temporaryFolder();
    const { close } = await openFolder(folder);
    expect(modesIn(folder)).toEqual([0o600, 0o600, 0o600]);
    await close();
    expect(modesIn(folder)).toEqual([0o600, 0o600, 0o600]);
  });

  it('are closed to others if an earlier version or a copy left them open', async () => {
    const folder = temporaryFolder();
    await (await openFolder(folder)).close();
    for (const name of names) chmodSync(join(folder, name), 0o664);
    await (await openFolder(folder)).close();
    expect(names.map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([0o600, 0o600]);
  });

  it('do not pile up: sockets of killed sidecars are removed by the next one', async () => {
    const folder = temporaryFolder();
    for (let round = 0; round < 3; round += 1) {
      const putter = startPutter({ folder, prefix: `round${round}` });
      await putter.lines(1);
      await putter.kill();
      writeFileSync(join(folder, `owner-${round}.sock`), '');
    }
    await openFolder(folder);
    expect(readdirSync(folder).filter((name) => name.endsWith('.sock'))).toHaveLength(1);
  });
});

function modesIn(folder: string): number[] {
  return filesIn(folder).map((path) => lstatSync(path).mode & 0o777);
}

describeWithSmallDisk('on a full disk an outbox folder', (makeDisk) => {
  it('without lock.mdb is refused in words, and the next time it is there', async () => {
    const disk = makeDisk(4 * 1024 ** 2);
    const folder = join(disk.folder, 'data');
    await store(folder, letters, []);
    rmSync(join(folder, 'lock.mdb'));
    disk.fill();
    const home = await folderWith({ 'x.yaml': `${good}outbox: { options: { path: "${folder}" } }\n` });
    for (const args of [['list'], ['drop', '--all']]) {
      const { code, signal, stderr } = await runCli(['dead-letters', ...args, '-c', 'x.yaml'], {
        folder: home,
      });
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(stderr).toMatch(/cannot open .*ENOSPC.*\(the disk is full: make room\)/);
    }
    disk.unfill();
    expect(await runCli(['dead-letters', 'list', '-c', 'x.yaml'], { folder: home })).toMatchObject({
      code: 0,
    });
  });
});

describe('a clean end of a sidecar', () => {
  it('is known as one only while nobody has touched the data since', async () => {
    const { home, folder, commandsOf } = await folderOf(process.getuid?.() ?? 0);
    const command = commandsOf(0);
    expect(endedCleanly(folder)).toBe(false);
    const first = await openFolder(folder);
    expect(endedCleanly(folder)).toBe(false);
    await first.close();
    expect(endedCleanly(folder)).toBe(true);
    await command(['list']);
    await command(['show', 'id-1']);
    expect(endedCleanly(folder)).toBe(true);

    const copy = join(home, 'copy');
    spawnSync('cp', ['-a', folder, copy]);
    expect(endedCleanly(copy)).toBe(false);

    await command(['drop', 'id-1']);
    expect(endedCleanly(folder)).toBe(false);
    await (await openFolder(folder)).close();
    expect(endedCleanly(folder)).toBe(true);

    const putter = startPutter({ folder, prefix: 'killed' });
    await putter.lines(1);
    await putter.kill();
    expect(endedCleanly(folder)).toBe(false);
  });

  it('is not one where the start failed after all', async () => {
    const folder = temporaryFolder();
    const root = open({ path: folder, noSubdir: false });
    await root.openDB<number, string>('meta', {}).put('format', 2);
    await root.close();
    await expect(openFolder(folder)).rejects.toThrow('newer version');
    expect(endedCleanly(folder)).toBe(false);
  });
});
