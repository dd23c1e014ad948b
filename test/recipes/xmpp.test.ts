import { expect, it } from 'vitest';
import { followRecipe } from '../support/recipe.ts';
import { DOMAIN, runAtServer } from './at-server.ts';

it('an iq of type get that no tap takes, and its reply, are one row in the table of iqs', async () => {
  const { main } = await followRecipe('an iq of type get that no tap takes, and its reply', {
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
  peer.write(
    `<message type='headline' from='a@example.com' to='${DOMAIN}'/><iq type='get' id='ping' from='example.com' to='${DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>`,
  );
  await peer.sees(/<iq [^>]*id="ping"[^>]*>/);
  const { sum } = await sidecar.metrics();
  expect(sum('event_pusher_discarded_total', { reason: 'headline' })).toBe(1);
});
