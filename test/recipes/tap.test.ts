import { expect, it } from 'vitest';
import { followRecipe } from '../support/recipe.ts';
import { DOMAIN, runAtServer } from './at-server.ts';

it('a tap is one file and one line in the table of taps, also one that replies to iqs', async () => {
  const { main } = await followRecipe('a tap', {
    files: {
      'xmpp/taps/dummy.ts': `import type { OutgoingStream, Tap, TapOptions } from '../../core/tap.ts';
import { errorOf, replyTo } from '../iq-reply.ts';

/** Takes the message in an iq, and replies once its notifications are safe. */
export function dummy(options: TapOptions): Tap {
  let stream: OutgoingStream | undefined;
  return {
    read: () => undefined,
    readIq(iq) {
      const packet = iq.getChild('message', 'jabber:client');
      if (packet === undefined) return undefined;
      const { from, to } = packet.attrs;
      return {
        dir: 'in',
        packet,
        from: options.parseJid(from ?? ''),
        to: options.parseJid(to ?? ''),
        onAccepted(acceptance) {
          const error = acceptance === 'safe' ? undefined : errorOf('wait', 'resource-constraint');
          stream?.send(replyTo(iq, error));
        },
      };
    },
    onStreamStart: (started) => void (stream = started),
    onStreamEnd: () => void (stream = undefined),
  };
}
`,
    },
    lines: [
      {
        file: 'xmpp/taps/index.ts',
        after: "import { direct } from './direct.ts';",
        line: "import { dummy } from './dummy.ts';",
      },
      { file: 'xmpp/taps/index.ts', after: '  direct,', line: '  dummy,' },
    ],
  });
  // The receiver is not there: at most two notifications of three have room, waiting and on their way.
  const { sidecar, peer } = await runAtServer(main, {
    taps: ['dummy', 'direct'],
    outbox: { engine: 'memory', capacity: 1 },
  });
  const replyTo = (id: string): Promise<string> => {
    const chat = "<message xmlns='jabber:client' from='a@example.com' to='b@example.com' type='chat'>";
    const message = `${chat}<body>Hi</body></message>`;
    peer.write(`<iq type='set' id='${id}' from='example.com' to='${DOMAIN}'>${message}</iq>`);
    return peer.sees(new RegExp(`<iq [^>]*id="${id}"[^>]*>`));
  };
  const replies = [await replyTo('first'), await replyTo('second'), await replyTo('third')];
  expect(replies[0]).toContain('type="result"');
  expect(replies.join('')).toContain('type="error"');
  const { sum } = await sidecar.metrics();
  expect(sum('event_pusher_stanzas_total', { tap: 'dummy' })).toBe(3);
  expect(sum('event_pusher_events_total')).toBe(3);
});
