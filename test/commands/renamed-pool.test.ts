import { expect, it, onTestFinished } from 'vitest';
import { leftBehind } from '../support/dead-letters.ts';
import { notification } from '../support/notification.ts';
import { startReceiver } from '../support/receiver.ts';
import { startSidecar } from '../support/sidecar.ts';

it('what waits for a pool that was renamed becomes a dead letter at max_age, and is redelivered through the pool that its backend has now', async () => {
  const acceptedAtMs = Date.now();
  const left = [1, 2].map((number) =>
    notification({ id: `n${number}`, sender: `u${number}@example.com`, acceptedAtMs }),
  );
  const { folder, run, ids } = await leftBehind([], left);
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const sidecar = await startSidecar({
    component: {
      service: 'xmpp://127.0.0.1:1',
      domain: 'push.example.com',
      secret: 'x',
      trusted_domains: ['example.com'],
    },
    outgoing_pools: [{ tag: 'renamed', server: receiver.url }],
    mod_event_pusher: { backends: [{ http: { name: 'chats', pool_name: 'renamed', path: '/now' } }] },
    outbox: { options: { path: folder } },
    retry: { max_age: 5000 },
  });
  onTestFinished(() => sidecar.kill());
  expect(await sidecar.logged('outbox-orphaned')).toMatchObject({ pool: 'http_pool', depth: 2 });
  for (const id of ['n1', 'n2']) {
    const line = await sidecar.logged('notification-dead', ({ webhook_id: dead }) => dead === id);
    expect(line).toMatchObject({ reason: 'expired', pool: 'http_pool' });
  }
  const scrape = await sidecar.metrics();
  expect(scrape.samples.get('event_pusher_outbox_depth')?.map(({ labels }) => labels['pool'])).toEqual([
    'renamed',
  ]);
  expect((await ids()).toSorted()).toEqual(['n1', 'n2']);
  expect(await run('redeliver', '--all')).toMatchObject({ code: 0 });
  const requests = await receiver.received(2);
  expect(requests.map(({ headers }) => String(headers['webhook-id'])).toSorted()).toEqual(['n1', 'n2']);
});
