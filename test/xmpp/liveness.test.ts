import { describe, expect, test } from 'vitest';
import { seededRandom } from '../support/random.ts';
import { DOMAIN, expectRecovery, expectWorking, online, type Scene, Subject } from '../support/session.ts';
import { startXmppServer, type XmppPeer } from '../support/xmpp-server.ts';

const PING = "<ping xmlns='urn:xmpp:ping'/>";
const OWN_PING =
  /^<iq type="get" id="[^"]+" from="push\.example\.com" to="push\.example\.com"><ping xmlns="urn:xmpp:ping"\/><\/iq>$/;

/** The id of the next ping that the server sees. */
async function nextPing(peer: XmppPeer): Promise<string> {
  const ping = await peer.sees(/<iq type="get".*?<\/iq>/);
  expect(ping).toMatch(OWN_PING);
  return /(?<=id=")[^"]+/.exec(ping)?.[0] ?? '';
}

const routedBack = (id: string): string =>
  `<iq type='get' id='${id}' from='${DOMAIN}' to='${DOMAIN}'>${PING}</iq>`;
const result = (id: string): string => `<iq type='result' id='${id}' from='${DOMAIN}' to='${DOMAIN}'/>`;
const error = (id: string): string =>
  `<iq type='error' id='${id}' from='${DOMAIN}' to='${DOMAIN}'><error type='wait'>` +
  `<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>` +
  `<not-connected xmlns='xmpp:prosody.im/protocol/component'/></error></iq>`;

/** Writes, and resolves when the session has read it. */
async function tell({ subject, peer }: Scene, text: string): Promise<void> {
  const read = subject.nextRead();
  peer.write(text);
  await read;
}

describe('a ping', () => {
  test('goes to our own domain every interval, whether or not other bytes come', async () => {
    const scene = await online();
    for (let pings = 0; pings < 10; pings += 1) {
      scene.subject.clock.advance(9999);
      await tell(scene, '<presence/>');
      expect(scene.peer.received.match(/urn:xmpp:ping/g)?.length ?? 0).toBe(pings);
      scene.subject.clock.advance(1);
      await tell(scene, result(await nextPing(scene.peer)));
    }
    expect(scene.subject.of('component-offline')).toEqual([]);
  });

  test.each([
    ['that is routed back', routedBack],
    ['that gets a result', result],
  ])('%s keeps the session alive, and nobody hears of it', async (_what, reply) => {
    const scene = await online();
    for (let pings = 0; pings < 10; pings += 1) {
      scene.subject.clock.advance(10_000);
      await tell(scene, reply(await nextPing(scene.peer)));
    }
    expect(scene.subject.of('component-offline')).toEqual([]);
    expect(scene.subject.of('second-component')).toEqual([]);
    expect(scene.subject.stanzas).toEqual([]);
    expect(scene.peer.received).not.toMatch(/type="(result|error)"/);
    await expectWorking(scene.subject, scene.peer);
  });

  test('that comes back as an error ends the stream at once: the route is lost', async () => {
    const scene = await online();
    scene.subject.clock.advance(10_000);
    scene.peer.write(error(await nextPing(scene.peer)));
    await scene.peer.sees(/<\/stream:stream>/);
    scene.peer.write("<message id='last'/></stream:stream>");
    scene.peer.end();
    const offline = await expectRecovery(scene);
    expect(offline).toMatchObject({ code: 'route-lost', retryInMs: 550 });
    expect(offline.reason).toMatch(/^route-lost: our ping came back with the error remote-server-timeout: /);
    expect(scene.subject.stanzas.map(({ attrs }) => attrs['id'] as string)).toEqual(['last', 'still-here']);
  });

  test('that does not come back in two intervals, though other bytes come, ends the stream: the route is lost', async () => {
    const scene = await online();
    const { clock } = scene.subject;
    clock.advance(10_000);
    await tell(scene, ' ');
    clock.advance(10_000);
    await tell(scene, '<message/>');
    clock.advance(9999);
    expect(scene.peer.received).not.toContain('</stream:stream>');
    clock.advance(1);
    await scene.peer.sees(/<\/stream:stream>/);
    expect(scene.subject.session.connected).toBe(false);
    scene.peer.end();
    const offline = await expectRecovery(scene);
    expect(offline).toMatchObject({ code: 'route-lost', retryInMs: 550 });
    expect(offline.reason).toContain(
      'none of our pings came back in 2 intervals of 10 s, though other bytes did',
    );
  });

  test('that comes back after more than one interval is no lost route', async () => {
    const scene = await online();
    let unanswered = '';
    for (let pings = 0; pings < 10; pings += 1) {
      scene.subject.clock.advance(10_000);
      const id = await nextPing(scene.peer);
      await tell(scene, unanswered === '' ? ' ' : result(unanswered));
      unanswered = id;
    }
    await expectWorking(scene.subject, scene.peer);
  });

  test('that waits behind a backlog of the server is no lost route', async () => {
    const scene = await online();
    const backlog = `<message><body>${'x'.repeat(1000)}</body></message>`.repeat(100);
    for (let intervals = 1; intervals <= 10; intervals += 1) {
      scene.subject.clock.advance(10_000);
      scene.peer.write(backlog);
      await scene.subject.received(intervals * 100);
    }
    await expectWorking(scene.subject, scene.peer);
  });

  test('of an earlier connection that comes back as an error does not end this one', async () => {
    const scene = await online();
    scene.subject.clock.advance(10_000);
    const id = await nextPing(scene.peer);
    scene.peer.end();
    const { retryInMs } = await scene.subject.offline();
    scene.subject.clock.advance(retryInMs ?? 0);
    const peer = await scene.server.welcome();
    await scene.subject.online(2);
    await tell({ ...scene, peer }, error(id) + routedBack(id));
    await expectWorking(scene.subject, peer);
    expect(scene.subject.of('second-component')).toEqual([]);
  });
});

describe('a server that is silent', () => {
  test('although it is pinged is given up after 30 s', async () => {
    const scene = await online();
    for (let pings = 1; pings <= 2; pings += 1) {
      scene.subject.clock.advance(10_000);
      await nextPing(scene.peer);
    }
    scene.subject.clock.advance(9999);
    expect(scene.subject.session.connected).toBe(true);
    scene.subject.clock.advance(1);
    const offline = await expectRecovery(scene);
    expect(offline).toMatchObject({
      code: 'silent',
      reason: 'the server was silent for 30 s',
      retryInMs: 550,
    });
  });

  test('has 30 s from its last byte on', async () => {
    const scene = await online();
    scene.subject.clock.advance(9000);
    await tell(scene, ' ');
    scene.subject.clock.advance(29_999);
    expect(scene.subject.session.connected).toBe(true);
    scene.subject.clock.advance(1);
    expect((await expectRecovery(scene)).code).toBe('silent');
  });
});

describe('a process that did not run for a while', () => {
  test('reads what has come meanwhile before it gives the server up', async () => {
    const scene = await online();
    scene.peer.write("<message id='1'/><message id='2'/>");
    scene.subject.clock.pause(70_000);
    await scene.subject.received(2);
    scene.subject.clock.advance(10_000);
    await tell(scene, result(await nextPing(scene.peer)));
    scene.subject.clock.advance(29_999);
    await expectWorking(scene.subject, scene.peer);
    expect(scene.server.connections).toBe(1);
  });

  test('gives a silent server one interval more, and no second one', async () => {
    const scene = await online();
    scene.subject.clock.pause(70_000);
    scene.subject.clock.advance(9999);
    expect(scene.subject.session.connected).toBe(true);
    scene.subject.clock.pause(70_000);
    const { reason } = await expectRecovery(scene);
    expect(reason).toBe('the server was silent for 150 s');
  });

  test('reads the response to its ping before it takes the route for lost', async () => {
    const scene = await online();
    const { clock } = scene.subject;
    clock.advance(10_000);
    const id = await nextPing(scene.peer);
    await tell(scene, ' ');
    clock.advance(10_000);
    await tell(scene, ' ');
    scene.peer.write('<message/>'.repeat(1000) + result(id));
    clock.pause(25_000);
    await scene.subject.received(1000);
    clock.advance(10_000);
    await expectWorking(scene.subject, scene.peer);
  });

  test('reads the end of the handshake before it gives up, once', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    peer.write('<handshake/>');
    subject.clock.pause(60_000);
    await subject.online();
    peer.end();
    await subject.offline();
    subject.clock.advance(550);
    await server.accept();
    subject.clock.pause(60_000);
    subject.clock.advance(9999);
    expect(subject.of('component-offline')).toHaveLength(1);
    subject.clock.advance(1);
    expect((await subject.offline(2)).code).toBe('handshake-timeout');
  });

  test('reads what comes before the end of the stream before it cuts the connection', async () => {
    const { subject, peer } = await online();
    const stopped = subject.session.stop();
    await peer.sees(/<\/stream:stream>/);
    peer.write("<message id='last'/></stream:stream>");
    subject.clock.pause(60_000);
    peer.end();
    await stopped;
    expect(subject.stanzas.map(({ attrs }) => attrs['id'] as string)).toEqual(['last']);
  });
});

describe('a second component', () => {
  test('of our domain is told of once, counted with each of its pings, and gets replies', async () => {
    const scene = await online();
    for (const id of ['alive-other-1', 'alive-other-2', 'alive-other-3']) {
      scene.peer.write(routedBack(id));
      const reply = await scene.peer.sees(/<iq [^>]*type="result"[^>]*>/);
      expect(reply).toContain(`id="${id}"`);
      expect(reply).toContain(`to="${DOMAIN}" from="${DOMAIN}"`);
    }
    expect(scene.subject.of('second-component')).toEqual([
      { kind: 'second-component', domain: DOMAIN, isFirst: true },
      { kind: 'second-component', domain: DOMAIN, isFirst: false },
      { kind: 'second-component', domain: DOMAIN, isFirst: false },
    ]);
  });

  test('is not what a user or a server is that pings us', async () => {
    const scene = await online();
    for (const from of ['alice@example.com/Desk', 'example.com', `alice@${DOMAIN}`]) {
      scene.peer.write(routedBack('1').replace(`from='${DOMAIN}'`, `from='${from}'`));
      await scene.peer.sees(/<iq [^>]*type="result"/);
    }
    scene.peer.write(result('alive-other-1') + error('alive-other-1'));
    await expectWorking(scene.subject, scene.peer);
    expect(scene.subject.of('second-component')).toEqual([]);
  });

  test('that gets one in two of our pings and of the responses does not make the route seem lost', async () => {
    const scene = await online();
    let lost = 0;
    const random = seededRandom(7);
    const fates = [routedBack, routedBack, result, undefined];
    for (let intervals = 0; intervals < 1000; intervals += 1) {
      scene.subject.clock.advance(10_000);
      const asked = await scene.peer.sees(/(<iq type="get".*?<\/iq>)+$/);
      await expectWorking(scene.subject, scene.peer);
      const pings = asked.matchAll(/<iq type="get" id="([^"]+)"/g);
      let replies = ' ';
      for (const [, id = ''] of pings) {
        const reply = fates[random(fates.length)];
        if (reply === undefined) lost += 1;
        else replies += reply(id);
      }
      await tell(scene, replies);
    }
    expect(lost).toBeGreaterThan(100);
    expect(scene.subject.of('component-offline')).toEqual([]);
  });
});
