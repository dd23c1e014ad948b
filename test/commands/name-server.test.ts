import { expect, it, onTestFinished, type TestContext } from 'vitest';
import { startSilentNameServer, twoAddresses } from '../support/name-resolution.ts';
import { startSidecar } from '../support/sidecar.ts';

/** A sidecar that looks its server's name up, at a name server that never responds. */
async function lookingUp(skip: TestContext['skip'], shutdownTimeout: number) {
  const through = await twoAddresses(skip);
  const nameServer = await startSilentNameServer(skip);
  const sidecar = await startSidecar(
    {
      component: {
        service: 'xmpp://nowhere.test',
        domain: 'push.example.com',
        secret: 'secret',
        taps: ['direct'],
      },
      mod_event_pusher: { backends: [] },
      outbox: { engine: 'memory' },
      shutdown_timeout: shutdownTimeout,
    },
    { through },
  );
  onTestFinished(() => sidecar.kill());
  await expect.poll(() => nameServer.asked, { timeout: 30_000 }).toBeGreaterThan(0);
  return sidecar;
}

it('a sidecar whose name server does not respond ends when shutdown_timeout is over', async ({ skip }) => {
  const sidecar = await lookingUp(skip, 500);
  expect(await sidecar.stop()).toBeNull();
  expect(sidecar.complaints).toContain('ends itself with SIGKILL: a name server does not respond');
});

it('a sidecar whose name server does not respond ends at once on a second signal', async ({ skip }) => {
  const sidecar = await lookingUp(skip, 600_000);
  process.kill(sidecar.pid, 'SIGTERM');
  await sidecar.logged('sidecar-stopped');
  const second = setInterval(() => process.kill(sidecar.pid, 'SIGTERM'), 600);
  onTestFinished(() => clearInterval(second));
  await sidecar.ended;
  expect(sidecar.complaints).toContain('ends itself with SIGKILL: a name server does not respond');
});
