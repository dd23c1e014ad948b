import xml from '@xmpp/xml';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stanza, StanzaEvent } from '../../src/core/event.ts';
import { parseJid } from '../../src/core/jid.ts';
import { type Acceptance, REFUSED, SAFE } from '../../src/core/event-sink.ts';
import type { OutgoingStream, Tap, TapOptions, TapResult } from '../../src/core/tap.ts';
import { Ingest } from '../../src/xmpp/ingest.ts';
import { errorOf, replyTo } from '../../src/xmpp/iq-reply.ts';
import type * as tapTable from '../../src/xmpp/taps/index.ts';
import { DOMAIN, expectWorking, Subject } from '../support/session.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

/** What the tap under test does and sees; a test may change what it does. */
const tap = vi.hoisted(() => ({
  streams: [] as OutgoingStream[],
  ends: 0,
  acceptances: [] as string[],
  replies: [] as Stanza[],
  onStreamStart: (_stream: OutgoingStream): void => undefined,
  onAccepted: (_acceptance: string): void => undefined,
}));

vi.mock('../../src/xmpp/taps/index.ts', async (original) => {
  const module = await original<typeof tapTable>();
  return { ...module, taps: { ...module.taps, dummy: openDummy } };
});

/** Takes messages, and iqs with a `<publish/>`, to which it replies when it knows what became of their event. */
function openDummy({ parseJid: parse }: TapOptions): Tap {
  const found = (packet: Stanza, onAccepted: (acceptance: Acceptance) => void): TapResult => {
    const { from, to } = packet.attrs;
    return { dir: 'out', packet, from: parse(from ?? ''), to: parse(to ?? ''), onAccepted };
  };
  return {
    disco: { identities: [{ category: 'pubsub', type: 'push' }], features: ['urn:example:push'] },
    read: (stanza) =>
      found(stanza, (acceptance) => {
        tap.acceptances.push(acceptance);
        tap.onAccepted(acceptance);
      }),
    readIq(iq) {
      if (iq.attrs['type'] === 'result' && iq.attrs['id'] === 'enable-1') {
        tap.replies.push(iq);
        return 'iq';
      }
      if (iq.getChild('publish', 'urn:example') === undefined) return undefined;
      return found(iq, (acceptance) => {
        const error = acceptance === 'refused' ? errorOf('wait', 'resource-constraint') : undefined;
        tap.streams.at(-1)?.send(replyTo(iq, error));
      });
    },
    onStreamStart(stream) {
      tap.streams.push(stream);
      tap.onStreamStart(stream);
    },
    onStreamEnd: () => void (tap.ends += 1),
  };
}

/** What takes the events. */
const sink = {
  events: [] as StanzaEvent[],
  isFull: false,
  acceptance: SAFE,
};

beforeEach(() => {
  Object.assign(tap, { streams: [], ends: 0, acceptances: [], replies: [] });
  Object.assign(tap, { onStreamStart: () => undefined, onAccepted: () => undefined });
  Object.assign(sink, { events: [], isFull: false, acceptance: SAFE });
});

/** A session that is online, with an ingest that asks this tap first. */
async function onlineWithTap(taps: readonly string[] = ['dummy', 'direct']) {
  const server = await startXmppServer({ routesPings: false });
  const subject = new Subject(
    { service: server.service },
    (context) =>
      new Ingest(
        {
          taps: taps as readonly tapTable.TapName[],
          componentDomain: DOMAIN,
          trustedDomains: new Set(['example.com']),
          parseJid: (text) => parseJid(text, () => undefined),
        },
        {
          hasRoom: () => !sink.isFull,
          take: (event) => {
            sink.events.push(event);
            return sink.acceptance;
          },
        },
        context,
      ),
  );
  const peer = await server.welcome();
  await subject.online();
  return { server, subject, peer };
}

const publish = (id: string): string =>
  `<iq type='set' id='${id}' from='example.com' to='${DOMAIN}'><publish xmlns='urn:example'/></iq>`;
const ping = `<iq type='get' id='ping' from='example.com' to='${DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>`;

describe('a tap that takes iqs', () => {
  it('replies to one when its event is safe, and not before', async () => {
    let settle = (_acceptance: Acceptance): void => undefined;
    sink.acceptance = new Promise((resolve) => (settle = resolve));
    const { subject, peer } = await onlineWithTap();
    peer.write(publish('first') + ping);
    expect(await peer.sees(/<iq .*?\/>/)).toContain('id="ping"');
    expect(sink.events.map(({ packet }) => packet.attrs['id'] as string)).toEqual(['first']);
    settle('safe');
    expect(await peer.sees(/<iq .*?\/>/)).toBe(
      `<iq id="first" to="example.com" from="${DOMAIN}" type="result"/>`,
    );
    expect(subject.of('stanza-received').map(({ tap: name }) => name)).toEqual(['dummy', 'direct']);
    expect(subject.of('stanza-discarded')).toEqual([{ kind: 'stanza-discarded', reason: 'iq' }]);
  });

  it.each([
    ['the event was refused', { acceptance: REFUSED }, 1],
    ['there was no room for the event', { isFull: true }, 0],
  ])('replies with an error where %s', async (_what, change, events) => {
    Object.assign(sink, change);
    const { peer } = await onlineWithTap();
    peer.write(publish('first'));
    expect(await peer.sees(/<iq .*?<\/iq>/)).toBe(
      `<iq id="first" to="example.com" from="${DOMAIN}" type="error"><error type="wait">` +
        '<resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>',
    );
    expect(sink.events).toHaveLength(events);
  });

  it('gets the replies to its own iqs, which are counted as discarded', async () => {
    const { subject, peer } = await onlineWithTap();
    peer.write(`<iq type='result' id='enable-1' from='example.com' to='${DOMAIN}'/>`);
    peer.write(`<iq type='result' id='enable-2' from='example.com' to='${DOMAIN}'/>`);
    await subject.received(2);
    expect(tap.replies.map(({ attrs }) => attrs['id'] as string)).toEqual(['enable-1']);
    expect(subject.of('stanza-received').map(({ tap: name }) => name)).toEqual(['dummy', 'direct']);
    expect(subject.of('stanza-discarded').map(({ reason }) => reason)).toEqual(['iq', 'iq']);
  });

  it('may add to what service discovery says of the component', async () => {
    const { peer } = await onlineWithTap();
    peer.write(ping.replace(/<ping .*?\/>/, "<query xmlns='http://jabber.org/protocol/disco#info'/>"));
    const reply = await peer.sees(/<iq .*?<\/iq>/);
    expect(reply).toContain('<identity category="component" type="generic" name="xmpp-event-pusher"/>');
    expect(reply).toContain('<identity category="pubsub" type="push" name="xmpp-event-pusher"/>');
    expect(reply).toContain('<feature var="urn:xmpp:ping"/>');
    expect(reply).toContain('<feature var="urn:example:push"/>');
  });

  it('is not asked where it is not configured', async () => {
    const { peer } = await onlineWithTap(['direct']);
    peer.write(publish('first'));
    expect(await peer.sees(/<iq .*?<\/iq>/)).toContain('<service-unavailable ');
    expect(tap.streams).toEqual([]);
  });
});

describe('a tap that wants to know what became of its events', () => {
  it('is told of each that is safe, refused, or has no room', async () => {
    const { subject, peer } = await onlineWithTap();
    const message = `<message from='example.com' to='${DOMAIN}'/>`;
    peer.write(message);
    await subject.received(1);
    sink.acceptance = REFUSED;
    peer.write(message);
    await subject.received(2);
    sink.isFull = true;
    peer.write(message);
    await subject.received(3);
    expect(tap.acceptances).toEqual(['safe', 'refused', 'refused']);
    expect(sink.events).toHaveLength(2);
  });

  it('may throw: that is a fault, and the session goes on', async () => {
    const error = new Error('from the tap');
    const fail = (): void => {
      throw error;
    };
    Object.assign(tap, { onStreamStart: fail, onAccepted: fail });
    const { subject, peer } = await onlineWithTap();
    await expectWorking(subject, peer);
    await subject.until('two faults', () => subject.of('internal-error').length === 2);
    const fault = { kind: 'internal-error', where: 'tap', error };
    expect(subject.of('internal-error')).toEqual([fault, fault]);
    await expectWorking(subject, peer);
  });
});

describe('a tap that sends', () => {
  const enable = (id: string): Stanza =>
    xml('iq', { type: 'set', id, to: 'example.com' }, xml('enable', { xmlns: 'urn:example' }));

  it('does so after each handshake, and hears of the end of each stream', async () => {
    tap.onStreamStart = (stream) => void stream.send(enable(`enable-${tap.streams.length}`));
    const { server, subject, peer } = await onlineWithTap();
    const sent = /<iq [^>]*from="push\.example\.com"[^>]*><enable xmlns="urn:example"\/><\/iq>/;
    expect(await peer.sees(sent)).toContain('id="enable-1"');
    expect(tap.ends).toBe(0);
    peer.end();
    const { retryInMs } = await subject.offline();
    expect(tap.ends).toBe(1);
    subject.clock.advance(retryInMs ?? 0);
    const second = await server.welcome();
    expect(await second.sees(sent)).toContain('id="enable-2"');
    const stopped = subject.session.stop();
    second.end();
    await stopped;
    expect(tap.ends).toBe(2);
  });

  it('is told that a stanza was not sent: too long, of somebody else, too many at once, or after the end', async () => {
    const { subject, peer } = await onlineWithTap();
    const [stream] = tap.streams;
    const filler = (): Stanza => xml('message', { to: 'example.com' }, 'x'.repeat(60_000));
    expect(stream?.send(xml('message', { to: 'example.com' }, 'x'.repeat(65_536)))).toBe(false);
    expect(stream?.send(xml('message', { to: 'example.com', from: 'example.com' }))).toBe(false);
    expect(stream?.send(xml('message', { to: 'example.com', from: `ack@${DOMAIN}/1` }))).toBe(true);
    let sent = 0;
    while (sent < 1000 && stream?.send(filler()) === true) sent += 1;
    expect(sent).toBe(18);
    await peer.sees(/(<message [^>]*>x{60000}<\/message>){18}$/);
    expect(stream?.send(enable('later'))).toBe(true);
    await peer.sees(/id="later"/);
    expect(peer.received).not.toContain('from="example.com"');
    peer.cut();
    await subject.offline();
    expect(stream?.send(enable('late'))).toBe(false);
  });

  it('is told so also where the server has closed the connection without ending its stream', async () => {
    const { subject, peer } = await onlineWithTap();
    peer.end();
    await subject.offline();
    expect(tap.streams[0]?.send(enable('late'))).toBe(false);
  });
});
