import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startPrometheus } from '../support/prometheus.ts';
import { startReceiver } from '../support/receiver.ts';
import { describeWithServer } from '../support/servers/availability.ts';
import { startSidecar } from '../support/sidecar.ts';
import { describeWithSmallDisk } from '../support/small-disk.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

const LOOKS_AFTER_THE_ALERT = 50;

describeWithServer('prometheus', 'the alert for an outbox that cannot be written', () => {
  describeWithSmallDisk('on a disk that is full', (makeDisk) => {
    it(
      'fires while stanzas come and attempts fail, because the sidecar says so all the time, and ends with room',
      { timeout: 240_000 },
      async () => {
        const disk = makeDisk(8 * 1024 ** 2);
        const server = await startXmppServer();
        const receiver = await startReceiver({ respond: 503 });
        onTestFinished(() => receiver.stop());
        const sidecar = await startSidecar({
          component: { service: server.service, domain: 'push.example.com', secret: 'secret' },
          outgoing_pools: [{ tag: 'http_pool', server: receiver.url }],
          mod_event_pusher: { backends: [{ http: { name: 'chats', pool_name: 'http_pool' } }] },
          outbox: { options: { path: join(disk.folder, 'outbox') } },
          retry: { first_delay: 500, max_delay: 2000 },
        });
        onTestFinished(() => sidecar.kill());
        const prometheus = await startPrometheus(sidecar.port);
        const peer = await server.welcome();
        let sent = 0;
        const send = (): void => {
          sent += 1;
          const text = `${sent}`.padEnd(6000, '.');
          peer.write(
            `<message from='user${sent}@example.com/phone' to='push.example.com' type='chat'><body>${text}</body></message>`,
          );
        };
        // What the disk takes, as fast as it is taken; then 40 a second.
        for (let number = 1; number <= 1000; number += 1) send();
        await sidecar.logged('notification-dropped');
        await sidecar.logged('outbox-unwritable');
        const sending = setInterval(send, 25);
        onTestFinished(() => clearInterval(sending));

        const look = async () => {
          const { sum } = await sidecar.metrics();
          const ready = await sidecar.get('/readyz');
          return { writable: sum('event_pusher_outbox_writable'), ready: ready.status, says: ready.body };
        };
        let hasFired = false;
        const firing = prometheus.firing('EventPusherOutboxNotWritable').then(() => (hasFired = true));
        const { samples: before } = await sidecar.metrics();
        for (let looks = 0; looks < LOOKS_AFTER_THE_ALERT; looks += hasFired ? 1 : 0) {
          expect(await look()).toMatchObject({ writable: 0, ready: 503 });
          await new Promise((resolve) => void setTimeout(resolve, 50));
        }
        await firing;
        expect((await look()).says).toContain('the disk is full: make room');
        const { sum, samples } = await sidecar.metrics();
        expect(samples.get('event_pusher_attempts_total')).not.toEqual(
          before.get('event_pusher_attempts_total'),
        );
        expect(sum('event_pusher_notifications_total', { state: 'dropped' })).toBeGreaterThan(0);

        disk.grow();
        await sidecar.logged('outbox-writable');
        await prometheus.resolved('EventPusherOutboxNotWritable');
        expect(await look()).toMatchObject({ writable: 1, ready: 200 });
        expect(await sidecar.stop()).toBe(0);
      },
    );
  });
});
