import { expect, it, onTestFinished } from 'vitest';
import { followRecipe } from '../support/recipe.ts';
import { type RunningSidecar, startSidecar } from '../support/sidecar.ts';
import { startXmppServer, type XmppPeer } from '../support/xmpp-server.ts';

const DOMAIN = 'push.example.com';

/** Runs a sidecar that followed a recipe, and welcomes it at a scripted XMPP server. */
async function runAtServer(
  main: string,
  { taps = ['direct'], ...rest }: { readonly taps?: readonly string[]; readonly outbox?: object } = {},
): Promise<{ sidecar: RunningSidecar; peer: XmppPeer }> {
  const server = await startXmppServer();
  const sidecar = await startSidecar(
    {
      component: { service: server.service, domain: DOMAIN, secret: 'secret', taps },
      outgoing_pools: [{ tag: 'http_pool', server: 'http://127.0.0.1:1' }],
      mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
      outbox: { engine: 'memory' },
      ...rest,
    },
    { main },
  );
  onTestFinished(() => sidecar.kill());
  return { sidecar, peer: await server.welcome() };
}

const ping = `<iq type='get' id='ping' from='example.com' to='${DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>`;
const seesPing = (peer: XmppPeer): Promise<string> => peer.sees(/<iq [^>]*id="ping"[^>]*>/);

it('a tap is one file and one line in the table of taps, also one that replies to iqs', async () => {
  const { main } = await followRecipe('a tap', {
    files: {
      'xmpp/taps/dummy.ts': `import type { OutgoingStream, Tap, TapOptions } from '../../core/tap.ts';
import { errorOf, replyTo } from '../iq.ts';

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
  // The receiver is not there, so that the first notification waits, and the second has no room.
  const { sidecar, peer } = await runAtServer(main, {
    taps: ['dummy', 'direct'],
    outbox: { engine: 'memory', capacity: 1 },
  });
  const chat = "<message xmlns='jabber:client' from='a@example.com' to='b@example.com' type='chat'>";
  for (const id of ['first', 'second']) {
    peer.write(
      `<iq type='set' id='${id}' from='example.com' to='${DOMAIN}'>${chat}<body>Hi</body></message></iq>`,
    );
  }
  expect(await peer.sees(/<iq [^>]*id="first"[^>]*>/)).toContain('type="result"');
  expect(await peer.sees(/<iq [^>]*id="second"[^>]*>/)).toContain('type="error"');
  const { sum } = await sidecar.metrics();
  expect(sum('event_pusher_stanzas_total', { tap: 'dummy' })).toBe(2);
  expect(sum('event_pusher_events_total')).toBe(2);
});

it('an iq that gets a reply is one row in the table of iqs', async () => {
  const { main } = await followRecipe('an iq that gets a reply', {
    lines: [
      {
        file: 'xmpp/iq.ts',
        after: 'const iqHandlers',
        line: "  'urn:example:time': { child: 'time', reply: (time) => xml('now', { zone: time.attrs['zone'] }) },",
      },
    ],
  });
  const { peer } = await runAtServer(main);
  peer.write(
    `<iq type='get' id='1' from='example.com' to='${DOMAIN}'><time xmlns='urn:example:time' zone='UTC'/></iq>`,
  );
  expect(await peer.sees(/<iq [^>]*id="1"[^>]*>.*?<\/iq>/)).toContain('type="result"><now zone="UTC"/></iq>');
  peer.write(
    `<iq type='get' id='2' from='example.com' to='${DOMAIN}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
  );
  expect(await peer.sees(/<iq [^>]*id="2"[^>]*>.*?<\/iq>/)).toContain('<feature var="urn:example:time"/>');
});

it('a reason why a connection ended is one row in its table, where it is the condition of a stream error', async () => {
  const { main } = await followRecipe('a reason why a connection ended', {
    lines: [
      {
        file: 'core/disconnect-reasons.ts',
        after: 'const table',
        line: "  'see-other-host': { refusal: 'give the other host in component.service' },",
      },
    ],
  });
  const { sidecar, peer } = await runAtServer(main);
  const before = await sidecar.metrics();
  expect(before.text).toContain('event_pusher_component_disconnects_total{reason="see-other-host"} 0');
  peer.write(
    "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
  );
  peer.end();
  expect(await sidecar.logged('component-offline')).toMatchObject({
    code: 'see-other-host',
    reason: 'the server ended the stream with see-other-host: give the other host in component.service',
  });
  const { sum } = await sidecar.metrics();
  expect(sum('event_pusher_component_disconnects_total', { reason: 'see-other-host' })).toBe(1);
});

it('a discard reason is one row in its table, and a tap that gives it', async () => {
  const { main } = await followRecipe('a discard reason', {
    lines: [
      { file: 'core/discard-reasons.ts', after: 'export const discardReasons', line: "  'headline'," },
      {
        file: 'xmpp/taps/direct.ts',
        after: 'const { from: rawFrom, to: rawTo } = packet.attrs;',
        line: "      if (packet.attrs['type'] === 'headline') return 'headline';",
      },
    ],
  });
  const { sidecar, peer } = await runAtServer(main);
  peer.write(`<message type='headline' from='a@example.com' to='${DOMAIN}'/>${ping}`);
  await seesPing(peer);
  const { sum } = await sidecar.metrics();
  expect(sum('event_pusher_discarded_total', { reason: 'headline' })).toBe(1);
});
