import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeWithFreezableDisk } from '../support/frozen-disk.ts';
import { holdLock } from '../support/held-lock.ts';
import { temporaryFolder } from '../support/outbox-folder.ts';
import { startReceiver } from '../support/receiver.ts';
import { type RunningSidecar, startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

/** Things come as fast as the machine allows. */
const POLL = { timeout: 40_000, interval: 50 };

interface BenchOptions {
  readonly folder: string;
  readonly pool?: object;
  readonly configuration?: object;
}

/** A sidecar that keeps its outbox in `folder`, with a server and a receiver of its own. */
async function startBench({ folder, pool = { tag: 'http_pool' }, configuration = {} }: BenchOptions) {
  const server = await startXmppServer();
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const sidecar = await startSidecar({
    component: { service: server.service, domain: 'push.example.com', secret: 'secret' },
    outgoing_pools: [{ ...pool, server: receiver.url }],
    mod_event_pusher: { backends: [{ http: { name: 'chats', pool_name: 'http_pool' } }] },
    outbox: { options: { path: folder } },
    ...configuration,
  });
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  await sidecar.ready();
  const chat = (id: string, length = 0): void =>
    peer.write(
      `<message from='${id}@example.com/phone' to='push.example.com' type='chat'><body>${id.padEnd(length, '.')}</body></message>`,
    );
  return { sidecar, receiver, chat };
}

const readyz = async (sidecar: RunningSidecar): Promise<string> => (await sidecar.get('/readyz')).body;
const sum = async (
  sidecar: RunningSidecar,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> => (await sidecar.metrics()).sum(`event_pusher_${name}`, labels);
const accepted = (sidecar: RunningSidecar): Promise<number> =>
  sum(sidecar, 'notifications_total', { state: 'accepted' });

/** What must hold while the store does not respond, and once it does again. */
async function expectPatience(
  { sidecar, receiver, chat }: Awaited<ReturnType<typeof startBench>>,
  endOfSilence: () => Promise<void>,
): Promise<void> {
  for (let number = 1; number <= 20; number += 1) chat(`user${number}`);
  await expect.poll(() => sum(sidecar, 'outbox_unwritten'), POLL).toBe(20);
  expect((await sidecar.get('/healthz')).status).toBe(200);
  expect(await sum(sidecar, 'events_total')).toBe(21);
  expect(await accepted(sidecar)).toBe(1);
  await expect.poll(() => readyz(sidecar), POLL).toContain('has not responded for 5 seconds');
  expect(await sum(sidecar, 'outbox_writable')).toBe(0);
  expect(await sum(sidecar, 'outbox_oldest_age_seconds')).toBeGreaterThan(4);
  await sidecar.logged('outbox-unwritable');
  expect(receiver.requests).toHaveLength(1);

  await endOfSilence();
  await receiver.received(21);
  await expect.poll(() => readyz(sidecar), POLL).toContain('"ready"');
  await expect.poll(() => sum(sidecar, 'outbox_unwritten'), POLL).toBe(0);
  await sidecar.logged('outbox-writable');
  expect(await sidecar.stop()).toBe(0);
}

describe('while another process holds the lock of the store, the sidecar', () => {
  it('reads and responds, says what is wrong, shows what is held, and loses nothing of it', async () => {
    const folder = temporaryFolder();
    const bench = await startBench({ folder });
    bench.chat('first');
    await bench.receiver.received(1);
    const lock = await holdLock(folder);
    await expectPatience(bench, lock.release);
  });

  it('goes on delivering what is in memory', async () => {
    const folder = temporaryFolder();
    const pool = { tag: 'http_pool', workers: 2 };
    const { sidecar, receiver, chat } = await startBench({ folder, pool });
    const held: (() => void)[] = [];
    receiver.respondWith((_request, response) => void held.push(() => response.writeHead(204).end()));
    for (let number = 1; number <= 12; number += 1) chat(`user${number}`);
    await expect.poll(() => accepted(sidecar), POLL).toBe(12);
    const { release } = await holdLock(folder);
    receiver.respondWith(204);
    for (const respond of held) respond();
    await receiver.received(12);
    expect(await sum(sidecar, 'notifications_total', { state: 'delivered' })).toBe(0);
    await release();
    await expect.poll(() => sum(sidecar, 'notifications_total', { state: 'delivered' }), POLL).toBe(12);
  });

  it('says so also when nothing is to be written', async () => {
    const folder = temporaryFolder();
    const { sidecar } = await startBench({ folder });
    await holdLock(folder);
    await expect.poll(() => readyz(sidecar), POLL).toContain('has not responded for 5 seconds');
  });

  it('ends when shutdown_timeout is over', async () => {
    const folder = temporaryFolder();
    const { sidecar, chat } = await startBench({ folder, configuration: { shutdown_timeout: 1000 } });
    await holdLock(folder);
    chat('alice');
    await expect.poll(() => sum(sidecar, 'outbox_unwritten'), POLL).toBe(1);
    expect(await sidecar.stop()).toBeNull();
    expect(sidecar.complaints).toContain('ends itself with SIGKILL: the outbox does not respond');
  });

  it('ends at once on a second signal', async () => {
    const folder = temporaryFolder();
    const { sidecar, chat } = await startBench({ folder, configuration: { shutdown_timeout: 600_000 } });
    await holdLock(folder);
    chat('alice');
    await expect.poll(() => sum(sidecar, 'outbox_unwritten'), POLL).toBe(1);
    process.kill(sidecar.pid, 'SIGTERM');
    await sidecar.logged('sidecar-stopping');
    const again = setInterval(() => process.kill(sidecar.pid, 'SIGTERM'), 200);
    onTestFinished(() => clearInterval(again));
    expect(await sidecar.ended).toBeNull();
  });

  it('holds no more in memory than its bound, and counts what it does not take', async () => {
    const folder = temporaryFolder();
    const { sidecar, receiver, chat } = await startBench({ folder });
    const { release } = await holdLock(folder);
    const before = await sum(sidecar, 'stanzas_total');
    for (let number = 1; number <= 300; number += 1) chat(`user${number}`, 700_000);
    await expect.poll(() => sum(sidecar, 'stanzas_total'), POLL).toBe(before + 300);
    const scrape = await sidecar.metrics();
    const unwritten = scrape.sum('event_pusher_outbox_unwritten');
    const overload = scrape.sum('event_pusher_discarded_total', { reason: 'overload' });
    expect(unwritten).toBeGreaterThan(50);
    expect(unwritten).toBeLessThan(100);
    expect(unwritten + overload).toBe(300);
    expect(scrape.sum('process_resident_memory_bytes')).toBeLessThan(700 * 1024 ** 2);
    await release();
    await receiver.received(unwritten);
  });
});

describeWithFreezableDisk('while the file system of the store is frozen, the sidecar', (makeDisk) => {
  it('reads and responds, says what is wrong, shows what is held, and loses nothing of it', async () => {
    const disk = makeDisk();
    const folder = join(disk.folder, 'outbox');
    mkdirSync(folder);
    const bench = await startBench({ folder });
    bench.chat('first');
    await bench.receiver.received(1);
    await disk.freeze();
    await expectPatience(bench, disk.thaw);
  });

  it('ends when shutdown_timeout is over, as soon as the system lets it', async () => {
    const disk = makeDisk();
    const folder = join(disk.folder, 'outbox');
    mkdirSync(folder);
    const configuration = { shutdown_timeout: 1000 };
    const { sidecar, receiver, chat } = await startBench({ folder, configuration });
    receiver.respondWith(503);
    chat('alice');
    await sidecar.logged('notification-retried');
    await disk.freeze();
    process.kill(sidecar.pid, 'SIGTERM');
    await sidecar.logged('sidecar-stopped');
    await expect.poll(() => sidecar.complaints, POLL).toContain('ends itself with SIGKILL');
    await disk.thaw();
    expect(await sidecar.ended).toBeNull();
    const again = await startBench({ folder });
    expect((await again.receiver.received(1))[0]!.body).toContain('author=alice');
    expect(await again.sidecar.stop()).toBe(0);
  });

  it('responds while it drains a backlog that is mostly on disk, and delivers all of it after', async () => {
    const disk = makeDisk();
    const folder = join(disk.folder, 'outbox');
    mkdirSync(folder);
    const away = await startBench({ folder, configuration: { retry: { first_delay: 100, max_delay: 100 } } });
    away.receiver.respondWith(503);
    const count = 3000;
    for (let number = 1; number <= count; number += 1) away.chat(`user${number}`, 1000);
    await expect.poll(() => accepted(away.sidecar), POLL).toBe(count);
    await away.sidecar.stop();

    const back = await startBench({ folder });
    // Not faster, so that most of it waits when the disk is frozen.
    back.receiver.respondWith(
      (_request, response) => void setTimeout(() => response.writeHead(204).end(), 5),
    );
    await back.receiver.received(100);
    await disk.freeze();
    expect(await sum(back.sidecar, 'outbox_depth')).toBeGreaterThan(500);
    for (let look = 1; look <= 20; look += 1) expect((await back.sidecar.get('/healthz')).status).toBe(200);
    back.chat('new');
    await expect.poll(() => sum(back.sidecar, 'events_total'), POLL).toBe(1);
    await disk.thaw();
    await back.receiver.received(count + 1);
    expect(await back.sidecar.stop()).toBe(0);
  });
});
