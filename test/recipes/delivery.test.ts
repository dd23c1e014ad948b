import { expect, it } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';
import { followRecipe } from '../support/recipe.ts';
import { startReceiver } from '../support/receiver.ts';
import { DOMAIN, runAtServer } from './at-server.ts';

it('an outcome of attempts is one row in its table, what finds it, and advice for operators', async () => {
  const { main } = await followRecipe('an outcome of attempts', {
    lines: [
      { file: 'core/delivery.ts', after: "  'other',", line: "  'self-signed'," },
      {
        file: 'delivery/http/exchange.ts',
        after: 'const outcomesByCode',
        line: "  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed'],",
      },
      {
        file: 'telemetry/failures.ts',
        after: 'export const adviceByOutcome',
        line: "  'self-signed': 'the receiver made its certificate itself',",
      },
    ],
  });
  const receiver = await startReceiver({ tls: makeCertificate({ name: '127.0.0.1' }) });
  const { sidecar, peer } = await runAtServer(main, { receiver: receiver.url });
  const selfSigned = { pool: 'http_pool', outcome: 'self-signed' };
  expect((await sidecar.metrics()).samples.get('event_pusher_attempts_total')).toContainEqual({
    labels: selfSigned,
    value: 0,
  });
  peer.write(`<message type='chat' from='a@example.com' to='${DOMAIN}'><body>Hi</body></message>`);
  expect(await sidecar.logged('notification-retried')).toMatchObject({
    outcome: 'self-signed',
    errorCode: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    advice: 'the receiver made its certificate itself',
  });
  expect((await sidecar.metrics()).sum('event_pusher_attempts_total', selfSigned)).toBeGreaterThan(0);
});
