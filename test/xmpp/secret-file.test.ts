import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

it('a secret that is changed in its file is taken at the next connection, and kept while the file is of no use', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'secret-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'secret');
  await writeFile(file, 'old\n');
  let server = await startXmppServer({ secret: 'old' });
  const sidecar = await startSidecar({
    component: { service: server.service, domain: 'push.example.com', secret_file: file, taps: ['direct'] },
    mod_event_pusher: { backends: [] },
    outbox: { engine: 'memory' },
  });
  onTestFinished(() => sidecar.kill());
  await server.welcome();
  await sidecar.ready();

  for (const [content, secret] of [
    ['new\n', 'new'],
    ['', 'new'],
    ['newer', 'newer'],
  ] as const) {
    await writeFile(file, content);
    await server.stop();
    server = await startXmppServer({ secret, port: server.port });
    await server.welcome();
    await sidecar.ready();
  }
  expect(sidecar.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
