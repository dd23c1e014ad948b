import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { folderWith, trusting } from '../config/load-text.ts';
import { type LogLine, startCli } from '../support/cli.ts';
import { parseMetrics, sumOf } from '../support/ledger.ts';
import { startReceiver } from '../support/receiver.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

/** Runs a sidecar, and takes the next of its levels at each SIGUSR2. */
const program = `
const [{ prepare }, { systemClock }, { startSidecar }, { openLog }] = await Promise.all(
  ['commands/prepare.js', 'node/clock.js', 'sidecar.js', 'telemetry/log.js'].map((file) => import(process.env.DIST + file)),
);
const log = openLog({ level: 'info', version: '1.2.3', clock: systemClock });
const levels = ['debug', 'info', 'debug'];
process.on('SIGUSR2', () => {
  log.setLevel(levels[0]);
  process.stderr.write(levels.shift() + ' from now on, ' + levels.length + ' to come\\n');
});
const prepared = await prepare({ file: 'x.yaml', version: '1.2.3' }, () => undefined);
await startSidecar(prepared.configuration, { ...prepared, version: '1.2.3', log });
`;

it('the level of the log changes while the sidecar runs', async () => {
  const server = await startXmppServer({ secret: 'swordfish' });
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const text = trusting
    .replace('xmpp://127.0.0.1:5347', server.service)
    .replace('http://localhost:8000', receiver.url);
  const folder = await folderWith({
    'x.yaml': `${text}telemetry: { listen: "127.0.0.1:0" }\noutbox: { engine: memory }\n`,
    'program.mjs': program,
  });
  const sidecar = startCli([], {
    folder,
    main: `${folder}/program.mjs`,
    environment: { DIST: fileURLToPath(new URL('../../dist/', import.meta.url)) },
  });
  const peer = await server.welcome();
  const { port } = await sidecar.logged('telemetry-listening');
  const sent = async (): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
    return sumOf(parseMetrics(await response.text()), 'mod_http_notifications_sent_total');
  };
  for (const [index, level] of ['', 'debug', 'info', 'debug'].entries()) {
    if (level !== '') {
      sidecar.process.kill('SIGUSR2');
      await sidecar.complained(`${level} from now on, ${3 - index} to come`);
    }
    peer.write(
      "<message from='alice@example.com/a' to='push.example.com' type='chat'><body>Hi</body></message>",
    );
    // It is counted, and then logged, once its response was read.
    await expect.poll(sent, { timeout: 10_000 }).toBe(index + 1);
  }
  sidecar.process.kill('SIGKILL');
  const lines = (await sidecar.ended).stdout.match(/.*"event":"notification-delivered".*/g) ?? [];
  const ids = receiver.requests.map(({ headers }) => headers['webhook-id']);
  expect(lines.map((line) => (JSON.parse(line) as LogLine)['webhook_id'])).toEqual([ids[1], ids[3]]);
});
