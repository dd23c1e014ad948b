import dns from 'node:dns';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import tls from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';
import { closedPort } from '../support/closed-port.ts';
import { DOMAIN, expectRecovery, expectWorking, online, Subject, TIMEOUTS } from '../support/session.ts';
import { startSlowListener } from '../support/slow-listener.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

const MEBIBYTE = 1024 * 1024;
const PING = "<ping xmlns='urn:xmpp:ping'/>";

const hasIpv6Loopback = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === '::1');

describe('a session', () => {
  test('connects at once, tells of it, and gives every message, presence and iq with its size in bytes', async () => {
    const { server, subject, peer } = await online();
    expect(subject.observations).toEqual([
      { kind: 'component-connecting', endpoint: server.service, domain: DOMAIN, isRepeat: false },
      { kind: 'component-online', domain: DOMAIN, isRepeat: false },
    ]);
    expect(subject.session.connected).toBe(true);
    peer.write("<message><body>é</body></message><presence/> <iq type='result' id='1'/>");
    await subject.received(3);
    expect(subject.stanzas.map(({ name }) => name)).toEqual(['message', 'presence', 'iq']);
    expect(subject.sizes).toEqual([34, 11, 26]);
    expect(subject.stanzas[0]?.getNS()).toBe('jabber:component:accept');
  });

  test('gives a stanza whose name has a prefix as one without, and replies to such an iq', async () => {
    const { subject, peer } = await online();
    const prefix = "xmlns:c='jabber:component:accept'";
    peer.write(`<c:message ${prefix}><c:body>é</c:body></c:message><c:presence ${prefix}/>`);
    peer.write(`<c:iq ${prefix} type='get' id='asked' from='a@b.example' to='${DOMAIN}'>${PING}</c:iq>`);
    await subject.received(3);
    expect(subject.stanzas.map(({ name }) => name)).toEqual(['message', 'presence', 'iq']);
    expect(subject.stanzas.map((stanza) => stanza.getNS())).toEqual(
      Array.from({ length: 3 }, () => 'jabber:component:accept'),
    );
    expect(subject.stanzas[0]?.getChildText('body')).toBe('é');
    expect(await peer.sees(/<iq [^>]*id="asked"[^>]*>/)).toContain('type="result"');
  });

  test('gives what stands where a stanza belongs and is none, so that it can be counted', async () => {
    const { subject, peer } = await online();
    peer.write("<x:message xmlns:x='urn:example'/><y:message/><route/><x xmlns='urn:example'/>");
    await subject.received(4);
    expect(subject.stanzas.map(({ name }) => name)).toEqual(['x:message', 'y:message', 'route', 'x']);
  });

  test('opens the stream in the name of the domain, in lower case as servers want it', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service, domain: 'Push.Example.COM' });
    const peer = await server.welcome();
    await subject.online();
    expect(peer.received).toMatch(
      /<stream:stream [^>]*xmlns="jabber:component:accept"[^>]* to="push\.example\.com"/,
    );
  });

  test('takes the stanzas that come in one packet with the end of the handshake', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    peer.write("<handshake/><message id='1'/><message id='2'/>");
    await subject.received(2);
  });

  test('takes nothing before the handshake is over, and a second one is no second session', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service, maxStanzaSize: 500 });
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    peer.write(`<message/><presence/><iq/><message>${'x'.repeat(1000)}</message><handshake/><handshake/>`);
    await subject.online();
    await expectWorking(subject, peer);
    expect(subject.stanzas).toHaveLength(1);
    expect(subject.tooLarge).toBe(0);
    expect(subject.of('component-online')).toHaveLength(1);
  });

  test('waits by no other clock than the one it is given, so that the library does not connect by itself', async () => {
    const waits = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => waits.mockRestore());
    const scene = await online();
    scene.peer.end();
    await expectRecovery(scene);
    expect(waits.mock.calls.map(([, ms]) => ms).filter((ms) => ms === 1000 || ms === 2000)).toEqual([]);
  });

  test('is offline with its reason when the server goes, and online again when it is back', async () => {
    const { server, subject, peer } = await online();
    peer.end();
    const offline = await subject.offline();
    expect(offline).toEqual({
      kind: 'component-offline',
      code: 'closed',
      reason: 'the server closed the connection',
      isRepeat: false,
      retryInMs: 550,
    });
    await server.stop();
    subject.clock.advance(550);
    const refused = await subject.offline(2);
    expect(refused.reason).toContain(`cannot connect to ${server.service} (ECONNREFUSED)`);
    const again = await startXmppServer({ port: server.port });
    subject.clock.advance(refused.retryInMs ?? 0);
    await expectWorking(subject, await again.welcome());
  });

  test('never tells the secret', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service, readSecret: () => Promise.resolve('hush-hush') });
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    peer.write("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
    await peer.ended;
    peer.end();
    await subject.offline();
    expect(JSON.stringify(subject.observations)).not.toContain('hush-hush');
    expect(peer.received).not.toContain('hush-hush');
  });
});

describe('malformed input', () => {
  test('XML that is malformed twice, and more after it, ends the stream once and a new one is made', async () => {
    const scene = await online();
    scene.peer.write('<message><a></b></message></c><d></e>');
    await scene.peer.sees(
      /<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'\/><\/stream:error><\/stream:stream>/,
    );
    scene.peer.write('<f></g>');
    await scene.peer.ended;
    scene.peer.end();
    const { reason } = await expectRecovery(scene);
    expect(reason).toBe(
      'the server sent something that is not an XMPP stream: end tag that does not match its start tag',
    );
    expect(scene.subject.of('internal-error')).toEqual([]);
  });

  test.each(['&nbsp;', '&#1;'])(
    '%s in a text or an attribute ends the stream and a new one is made',
    async (reference) => {
      for (const stanza of [`<message><body>${reference}</body></message>`, `<message id='${reference}'/>`]) {
        const scene = await online();
        scene.peer.write(stanza);
        await scene.peer.ended;
        scene.peer.end();
        await expectRecovery(scene);
      }
    },
  );

  test.each(['\n', '<message/>', '<a></b>', '\0'])(
    '%j after </stream:stream> is ignored, and a new stream is made',
    async (rest) => {
      const scene = await online();
      scene.peer.write(`</stream:stream>${rest}`);
      await scene.peer.sees(/<\/stream:stream>/);
      scene.peer.write(rest);
      await scene.peer.ended;
      scene.peer.end();
      const { reason } = await expectRecovery(scene);
      expect(reason).toBe('the server closed the stream');
      expect(scene.subject.stanzas).toHaveLength(1);
    },
  );

  test("a stanza from='alice@', an address without domain, is given like any other", async () => {
    const { subject, peer } = await online();
    for (const name of ['message', 'presence', 'iq']) {
      peer.write(`<${name} from='alice@' to='${DOMAIN}' type='get' id='1'>${PING}</${name}>`);
    }
    await subject.received(3);
    await expectWorking(subject, peer);
    expect(peer.received).not.toContain('alice@');
    expect(subject.of('internal-error')).toEqual([]);
  });

  test('a document type declaration ends the stream instead of making it deaf', async () => {
    const scene = await online();
    scene.peer.write("<!DOCTYPE a [<!ENTITY b 'c'>]><message/>");
    await scene.peer.sees(/<restricted-xml /);
    scene.peer.end();
    await expectRecovery(scene);
  });

  test('a comment ends the stream, CDATA is text and no text after it is lost', async () => {
    const scene = await online();
    scene.peer.write('<message><body>a<![CDATA[<b>]]>c</body></message><message>a<!-- b -->c</message>');
    await scene.peer.sees(/<restricted-xml /);
    scene.peer.end();
    expect((await scene.subject.received(1))[0]?.getChildText('body')).toBe('a<b>c');
    await expectRecovery(scene);
  });

  test('what is no XMPP at all is said to be that', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    const peer = await server.accept();
    peer.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    await peer.ended;
    peer.end();
    const { reason } = await subject.offline();
    expect(reason).toBe(
      `the server sent something that is not an XMPP stream: text outside a stanza; is ${server.service} its port for components?`,
    );
  });
});

describe('our own mistakes', () => {
  test('a handler that throws is observed, and the session goes on', async () => {
    const { subject, peer } = await online({ maxStanzaSize: 1000 });
    const error = new Error('from onStanza');
    subject.onStanza = () => {
      throw error;
    };
    peer.write(`<message/><presence/><iq type='get' id='1' from='a@b' to='${DOMAIN}'>${PING}</iq>`);
    await peer.sees(/<iq [^>]*type="result"/);
    subject.onStanza = () => undefined;
    expect(subject.of('internal-error')).toEqual([
      { kind: 'internal-error', where: 'onStanza', error },
      { kind: 'internal-error', where: 'onStanza', error },
      { kind: 'internal-error', where: 'onStanza', error },
    ]);
    await expectWorking(subject, peer);
  });

  test('a stream error that nobody listens to does no harm', async () => {
    const scene = await online();
    scene.peer.write(
      "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    scene.peer.end();
    const { code, reason } = await expectRecovery(scene);
    expect(reason).toBe('the server ended the stream with system-shutdown');
    expect(code).toBe('system-shutdown');
  });
});

describe('bytes', () => {
  test('of one character that come in different packets stay one character', async () => {
    const { subject, peer } = await online();
    const text = 'Привет€😀';
    for (const byte of Buffer.from(`<message><body>${text}</body></message>`)) {
      await peer.flush(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await subject.received(1))[0]?.getChildText('body')).toBe(text);
  });

  test('of a stanza over the limit are skipped and counted, and the stream lives on', async () => {
    const { subject, peer } = await online();
    peer.write(`<message><body>${'x'.repeat(4 * MEBIBYTE)}</body></message>`);
    await subject.until('a stanza that is too large', () => subject.tooLarge === 1);
    await expectWorking(subject, peer);
    expect(subject.stanzas).toHaveLength(1);
  });

  test('of a stanza nested too deep to be written again are skipped and counted', async () => {
    const { subject, peer } = await online();
    peer.write(`<message>${'<a>'.repeat(12_000)}${'</a>'.repeat(12_000)}</message>`);
    await subject.until('a stanza that is too large', () => subject.tooLarge === 1);
    await expectWorking(subject, peer);
  });

  test('of white space between stanzas are kept nowhere', async () => {
    const { subject, peer } = await online();
    peer.write('\n'.repeat(100_000));
    await expectWorking(subject, peer);
    expect(subject.stanzas[0]?.parent?.children).toEqual([]);
  });

  test('are always read, however much comes', async () => {
    const { subject, peer } = await online();
    const stanza = `<message><body>${'x'.repeat(1000)}</body></message>`;
    const batch = stanza.repeat(100);
    for (let count = 0; count < 200; count += 1) await peer.flush(batch);
    await subject.received(20_000);
    await expectWorking(subject, peer);
  });

  test('of many stanzas are read in portions, so that other connections get their turns in between', async () => {
    const { subject, peer } = await online();
    const inOneTurn: number[] = [];
    let isCounting = false;
    subject.onStanza = () => {
      if (isCounting) return void (inOneTurn[inOneTurn.length - 1]! += 1);
      isCounting = true;
      inOneTurn.push(1);
      setImmediate(() => (isCounting = false));
    };
    const count = 1000;
    peer.write(`<message><body>${'x'.repeat(1000)}</body></message>`.repeat(count));
    await subject.received(count);
    // Node reads 64 KiB at a time, and one such portion ahead.
    expect(Math.max(...inOneTurn)).toBeLessThan(200);
  });

  test('of a stanza are given once and at once, half a stanza never: the hop has no acknowledgements', async () => {
    const scene = await online();
    scene.peer.write("<message id='1'/><message id='2'/><message id='3'><body>never en");
    scene.peer.end();
    await expectRecovery(scene);
    expect(scene.subject.stanzas.map(({ attrs }) => attrs['id'] as string)).toEqual(['1', '2', 'still-here']);
  });
});

describe('a server that falls silent', () => {
  test('right after it took the connection: given up after a time, and tried again, every time', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    for (let times = 1; times <= 3; times += 1) {
      const peer = await server.accept();
      await peer.sees(/<stream:stream/);
      subject.clock.advance(9999);
      expect(subject.of('component-offline')).toHaveLength(times - 1);
      subject.clock.advance(1);
      const offline = await subject.offline(times);
      expect(offline).toMatchObject({
        code: 'handshake-timeout',
        reason: `${server.service} accepted the connection but did not finish the handshake within 10 s`,
      });
      subject.clock.advance(offline.retryInMs ?? 0);
    }
    await expectWorking(subject, await server.welcome());
  });

  test('and ends the handshake late: online all the same', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    const peer = await server.accept();
    subject.clock.advance(5000);
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    subject.clock.advance(4999);
    peer.write('<handshake/>');
    await subject.online();
    subject.clock.advance(29_999);
    await expectWorking(subject, peer);
  });

  test('and never ends the handshake: given up', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    subject.clock.advance(10_000);
    await expectRecovery({ server, subject });
  });

  test('after </stream:stream>, without closing: the connection is cut after a time', async () => {
    const scene = await online();
    scene.peer.write('</stream:stream>');
    await scene.peer.sees(/<\/stream:stream>/);
    expect(scene.subject.session.connected).toBe(false);
    expect(scene.subject.of('component-offline')).toEqual([]);
    scene.subject.clock.advance(2000);
    await expectRecovery(scene);
  });

  test('at the level of TCP is noticed by keep-alive', async () => {
    const keepAlive = vi.spyOn(net.Socket.prototype, 'setKeepAlive');
    onTestFinished(() => keepAlive.mockRestore());
    await online();
    expect(keepAlive).toHaveBeenCalledWith(true, 30_000);
  });
});

const refusal = (condition: string, text = ''): string =>
  `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>${text}</stream:error></stream:stream>`;

describe('a server that refuses', () => {
  test.each([
    ['not-authorized', /not-authorized: check component\.secret/],
    ['host-unknown', /host-unknown: check component\.domain/],
    ['conflict', /conflict: is a second sidecar connected/],
    ['policy-violation', /policy-violation: see the log of the server/],
  ])(
    'with %s is asked again only after longer and longer waits, and the reason says what to check',
    async (condition, words) => {
      const server = await startXmppServer();
      const subject = new Subject({ service: server.service });
      const waits: (number | undefined)[] = [];
      for (let times = 1; times <= 8; times += 1) {
        const peer = await server.accept();
        await peer.openStream();
        await peer.sees(/<\/handshake>/);
        peer.write(refusal(condition));
        await peer.ended;
        peer.end();
        const { code, reason, retryInMs } = await subject.offline(times);
        expect(code).toBe(condition);
        expect(reason).toMatch(words);
        waits.push(retryInMs);
        subject.clock.advance(retryInMs ?? 0);
      }
      expect(waits).toEqual([750, 1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000]);
      expect(subject.of('component-online')).toEqual([]);
      expect(subject.of('internal-error')).toEqual([]);
    },
  );

  test("says why in the server's words, shortened", async () => {
    const scene = await online();
    const text = `<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced ${'x'.repeat(1000)}</text>`;
    scene.peer.write(refusal('conflict', text));
    scene.peer.end();
    const { reason } = await scene.subject.offline();
    expect(reason).toContain('conflict (Replaced xxx');
    expect(reason.length).toBeLessThan(400);
  });

  test('with a condition that is none, or another host, is not obeyed', async () => {
    for (const error of ['<stream:error/>', refusal('see-other-host', '')]) {
      const scene = await online();
      scene.peer.write(error);
      await scene.peer.ended;
      scene.peer.end();
      await expectRecovery(scene);
    }
  });

  test('two sidecars that throw each other out calm down, because a short session does not count as a good one', async () => {
    const { server, subject, peer } = await online();
    const waits: (number | undefined)[] = [];
    let current = peer;
    for (let times = 1; times <= 9; times += 1) {
      subject.clock.advance(9000);
      current.write(refusal('conflict'));
      current.end();
      const { retryInMs } = await subject.offline(times);
      waits.push(retryInMs);
      subject.clock.advance(retryInMs ?? 0);
      current = await server.welcome();
      await subject.online(times + 1);
    }
    expect(waits).toEqual([750, 1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000, 45_000]);
  });
});

describe('waits between tries', () => {
  test('stay short without end while the server cannot be reached', async () => {
    const { server, subject, peer } = await online();
    peer.cut();
    await server.stop();
    expect((await subject.offline()).code).toBe('broken');
    for (let times = 2; times <= 50; times += 1) {
      subject.clock.advance(550);
      expect(await subject.offline(times)).toMatchObject({ code: 'connect-failed', retryInMs: 550 });
    }
    const again = await startXmppServer({ port: server.port });
    subject.clock.advance(550);
    await expectWorking(subject, await again.welcome());
  });

  test('stay short when the server resets connections, and when its name is not known', async () => {
    const server = await startXmppServer();
    const resetting = new Subject({ service: server.service });
    for (let times = 1; times <= 10; times += 1) {
      (await server.accept()).cut();
      const offline = await resetting.offline(times);
      expect(offline).toMatchObject({ code: 'connect-failed', retryInMs: 550 });
      expect(offline.reason).toContain('ECONNRESET');
      resetting.clock.advance(550);
    }
    const lookup = vi
      .spyOn(dns, 'lookup')
      .mockImplementation(((_name: string, _options: object, callback: (error: Error) => void) =>
        callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))) as never);
    onTestFinished(() => lookup.mockRestore());
    const nameless = new Subject({ service: 'xmpp://xmpp.example.com' });
    for (let times = 1; times <= 10; times += 1) {
      const offline = await nameless.offline(times);
      expect(offline).toMatchObject({ code: 'connect-failed', retryInMs: 550 });
      expect(offline.reason).toContain('ENOTFOUND');
      nameless.clock.advance(550);
    }
  });

  test('grow with refusals, and are short again only after a session that lasted', async () => {
    const { server, subject, peer } = await online();
    let current = peer;
    let times = 0;
    const refuseAfter = async (seconds: number): Promise<number | undefined> => {
      for (let passed = 0; passed < seconds; passed += 10) {
        subject.clock.advance(10_000);
        current.write((await current.sees(/<iq type="get".*?<\/iq>/)) + "<message id='still-here'/>");
        await subject.received((subject.stanzas.length || 0) + 1);
      }
      current.write(refusal('conflict'));
      current.end();
      times += 1;
      const { retryInMs } = await subject.offline(times);
      subject.clock.advance(retryInMs ?? 0);
      current = await server.welcome();
      await subject.online(times + 1);
      return retryInMs;
    };
    expect(await refuseAfter(0)).toBe(750);
    expect(await refuseAfter(0)).toBe(1500);
    expect(await refuseAfter(110)).toBe(3000);
    expect(await refuseAfter(120)).toBe(750);
  });

  test('do not come early: before its time is over nothing is tried', async () => {
    const { server, subject, peer } = await online();
    peer.end();
    await subject.offline();
    subject.clock.advance(549);
    expect(subject.of('component-connecting')).toHaveLength(1);
    subject.clock.advance(1);
    expect(subject.of('component-connecting')).toHaveLength(2);
    await server.welcome();
  });

  test('bring the same failure again and again: once a minute it is news', async () => {
    const { server, subject, peer } = await online();
    peer.end();
    await server.stop();
    await subject.offline();
    const news: number[] = [];
    for (let times = 2; times <= 250; times += 1) {
      subject.clock.advance(550);
      if (!(await subject.offline(times)).isRepeat) news.push(times);
    }
    expect(news).toEqual([2, 112, 222]);
    expect(subject.of('component-connecting').filter(({ isRepeat }) => !isRepeat)).toHaveLength(5);
  });

  test('after a server that lets us in and closes at once: three such outages a minute are news, and the last line told is right', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    for (let times = 1; times <= 250; times += 1) {
      (await server.welcome()).end();
      await subject.online(times);
      await subject.offline(times);
      subject.clock.advance(550);
    }
    const peer = await server.welcome();
    await subject.online(251);
    const told = subject.observations.filter((one) => 'isRepeat' in one && !one.isRepeat);
    const outage = ['component-offline', 'component-connecting', 'component-online'];
    expect(told.map(({ kind }) => kind)).toEqual([
      'component-connecting',
      'component-online',
      // In 137.5 s: three at the start of each minute.
      ...Array.from({ length: 9 }, () => outage).flat(),
    ]);
    await expectWorking(subject, peer);
  });

  test('after failures that alternate: each of them is news once a minute', async () => {
    const { server, subject, peer } = await online();
    let current = peer;
    for (let times = 1; times <= 9; times += 2) {
      current.write(refusal('conflict'));
      current.end();
      subject.clock.advance((await subject.offline(times)).retryInMs ?? 0);
      (await server.accept()).cut();
      subject.clock.advance((await subject.offline(times + 1)).retryInMs ?? 0);
      current = await server.accept();
      await current.openStream();
    }
    const news = subject.of('component-offline').filter(({ isRepeat }) => !isRepeat);
    expect(news.map(({ code }) => code)).toEqual(['conflict', 'connect-failed']);
  });

  test('tell the first failure of an outage at once, however soon after the one before', async () => {
    const scene = await online();
    scene.peer.end();
    expect((await expectRecovery(scene)).isRepeat).toBe(false);
    expect(scene.subject.of('component-online').map(({ isRepeat }) => isRepeat)).toEqual([false, false]);
  });
});

describe('iq', () => {
  /** The reply of the session; undefined: none. */
  async function replyTo(iq: string): Promise<string | undefined> {
    const { subject, peer } = await online();
    peer.write(iq);
    peer.write(`<iq type='get' id='end' from='a@b' to='${DOMAIN}'>${PING}</iq>`);
    await subject.received(2);
    await new Promise((resolve) => setImmediate(resolve));
    subject.clock.advance(100); // After a long stanza we wait so long for more.
    await peer.sees(/<iq [^>]*id="end"/);
    expect(subject.of('internal-error')).toEqual([]);
    expect(subject.stanzas).toHaveLength(2);
    await expectWorking(subject, peer);
    const replies =
      peer.received.slice(peer.received.indexOf('</handshake>') + 12).match(/<iq .*?(<\/iq>|(?<!>.*)\/>)/g) ??
      [];
    return replies.find((text) => !text.includes('id="end"'));
  }
  const get = (child: string): string =>
    `<iq type='get' id='1' from='alice@example.com/Desk' to='${DOMAIN}'>${child}</iq>`;
  const reply = (type: string): string =>
    `<iq to="alice@example.com/Desk" from="${DOMAIN}" id="1" type="${type}"`;
  const error = (type: string, condition: string): string =>
    `<error type="${type}"><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`;

  test('for service discovery gets what we are (XEP-0030)', async () => {
    expect(await replyTo(get("<query xmlns='http://jabber.org/protocol/disco#info'/>"))).toBe(
      `${reply('result')}><query xmlns="http://jabber.org/protocol/disco#info">` +
        '<identity category="component" type="generic" name="xmpp-event-pusher"/>' +
        '<feature var="http://jabber.org/protocol/disco#info"/><feature var="urn:xmpp:ping"/>' +
        '<feature var="jabber:iq:version"/></query></iq>',
    );
  });

  test('for a node of ours gets the reply that there is none (XEP-0030, 3.2)', async () => {
    expect(await replyTo(get("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>"))).toBe(
      `${reply('error')}>${error('cancel', 'item-not-found')}`,
    );
  });

  test('for a ping gets a result (XEP-0199)', async () => {
    expect(await replyTo(get(PING))).toBe(`${reply('result')}/>`);
  });

  test('for our version gets it (XEP-0092)', async () => {
    expect(await replyTo(get("<query xmlns='jabber:iq:version'/>"))).toBe(
      `${reply('result')}><query xmlns="jabber:iq:version"><name>xmpp-event-pusher</name><version>1.2.3</version></query></iq>`,
    );
  });

  test('for anything else gets service-unavailable, without the query in it', async () => {
    const unavailable = `${reply('error')}>${error('cancel', 'service-unavailable')}`;
    expect(await replyTo(get("<query xmlns='urn:example:none'/>"))).toBe(unavailable);
    expect(await replyTo(get('<x:query><error/></x:query>'))).toBe(unavailable);
    expect(await replyTo(get('<error><x:a/></error>'))).toBe(unavailable);
    expect(await replyTo(get(PING).replace("'get'", "'set'"))).toBe(unavailable);
  });

  test.each([
    ['no child', get('')],
    ['two children', get(PING + PING)],
    ['no type', get(PING).replace("type='get'", '')],
    ['an unknown type', get(PING).replace("'get'", "'got'")],
  ])('with %s gets bad-request', async (_what, iq) => {
    expect(await replyTo(iq)).toBe(`${reply('error')}>${error('modify', 'bad-request')}`);
  });

  test.each([
    ['a result that nobody asked for', get('').replace("'get'", "'result'")],
    [
      'an error that nobody asked for, which comes before anything was written',
      get('').replace("'get'", "'error'"),
    ],
    ['an error without an <error/>', get(PING).replace("'get'", "'error'")],
    ['no sender', get(PING).replace(/from='.*?'/, '')],
    ['an empty sender', get(PING).replace(/from='.*?'/, "from=''")],
    ['no id', get(PING).replace(/id='.*?'/, '')],
    ['a sender that is no address', get(PING).replace(/from='.*?'/, "from='alice@'")],
    [
      'an address that is not ours, from which a reply would end our stream',
      get(PING).replace(DOMAIN, 'other.example.com'),
    ],
    ['an id too long to be sent back', get(PING).replace("id='1'", `id='${'x'.repeat(100_000)}'`)],
  ])('with %s gets no reply, and the stream lives on', async (_what, iq) => {
    expect(await replyTo(iq)).toBeUndefined();
  });

  test('to any local part or resource of ours, or to none, gets its reply from there', async () => {
    expect(await replyTo(get(PING).replace(`to='${DOMAIN}'`, `to='sent@${DOMAIN}/x@y'`))).toContain(
      `from="sent@${DOMAIN}/x@y"`,
    );
    expect(await replyTo(get(PING).replace(` to='${DOMAIN}'`, ''))).toContain(`from="${DOMAIN}"`);
  });

  test('that can get no reply any more, because the connection has gone, does no harm', async () => {
    const scene = await online();
    scene.subject.onStanza = () => scene.peer.cut();
    scene.peer.write(get(PING).repeat(50));
    await scene.subject.received(1);
    scene.subject.onStanza = () => undefined;
    await scene.subject.offline();
    const before = scene.subject.stanzas.length;
    expect(before).toBeGreaterThan(0);
    await expectRecovery(scene);
    expect(scene.subject.of('internal-error')).toEqual([]);
  });

  test('from a server that reads no replies get none any more, so that they do not fill our memory', async () => {
    const connect = vi.spyOn(net, 'connect');
    onTestFinished(() => connect.mockRestore());
    const { subject, peer } = await online();
    const socket = connect.mock.results[0]?.value as net.Socket;
    let unsent = 2 * MEBIBYTE;
    Object.defineProperty(socket, 'writableLength', { get: () => unsent });
    peer.write(get(PING).replace("id='1'", "id='unread'"));
    await subject.received(1);
    await new Promise((resolve) => setImmediate(resolve));
    unsent = 0;
    peer.write(get(PING));
    await peer.sees(/<iq [^>]*id="1"/);
    expect(peer.received).not.toContain('unread');
  });
});

describe('the secret', () => {
  test('is hashed as UTF-8, whatever is in it', async () => {
    const server = await startXmppServer({ secret: 'gehëim€😀' });
    const subject = new Subject({ service: server.service, readSecret: () => Promise.resolve('gehëim€😀') });
    await server.welcome();
    await subject.online();
  });
});

describe('the service', () => {
  /** As NODE_EXTRA_CA_CERTS would, which is read when a process starts. */
  function trust(cert: string): void {
    const { createSecureContext } = tls;
    const spy = vi
      .spyOn(tls, 'createSecureContext')
      .mockImplementation((options) =>
        createSecureContext({ ...options, ...(options?.cert === undefined && { ca: cert }) }),
      );
    onTestFinished(() => spy.mockRestore());
  }

  /** Every name has these addresses, in this order. */
  function giveAddresses(...addresses: string[]): void {
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation(((
      _name: string,
      _options: object,
      callback: (error: null, found: object[]) => void,
    ) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      )) as never);
    onTestFinished(() => lookup.mockRestore());
  }

  test('may speak TLS, with a certificate that is trusted and in its name', async () => {
    const asked: string[] = [];
    const SNICallback = (name: string, callback: (error: null) => void): void => {
      asked.push(name);
      callback(null);
    };
    const certificate = { ...makeCertificate({ name: 'localhost' }), SNICallback };
    trust(certificate.cert);
    const server = await startXmppServer({ tls: certificate });
    const subject = new Subject({ service: `xmpps://localhost:${server.port}` });
    const peer = await server.welcome();
    await subject.online();
    await expectWorking(subject, peer);
    expect(asked).toEqual(['localhost']);
  });

  test('may speak TLS on an IP address, which is no server name (RFC 6066, 3)', async () => {
    const warn = vi.spyOn(process, 'emitWarning');
    onTestFinished(() => warn.mockRestore());
    const certificate = makeCertificate({ name: '127.0.0.1' });
    trust(certificate.cert);
    const server = await startXmppServer({ tls: certificate });
    const subject = new Subject({ service: server.service });
    await expectWorking(subject, await server.welcome());
    expect(warn).not.toHaveBeenCalled();
  });

  test('with a certificate that nobody trusts gets nothing from us, and the reason says what to do', async () => {
    const server = await startXmppServer({ tls: makeCertificate({ name: '127.0.0.1' }) });
    const subject = new Subject({ service: server.service });
    expect((await subject.offline()).reason).toBe(
      `cannot connect to ${server.service} (DEPTH_ZERO_SELF_SIGNED_CERT): the certificate is not trusted: ` +
        'give its authority in the environment variable NODE_EXTRA_CA_CERTS',
    );
    await server.stop();
    expect(server.received).toBe('');
  });

  test('with a certificate for another name gets nothing from us', async () => {
    const certificate = makeCertificate({ name: 'other.example.com' });
    trust(certificate.cert);
    const server = await startXmppServer({ tls: certificate });
    const subject = new Subject({ service: server.service });
    expect((await subject.offline()).reason).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    await server.stop();
    expect(server.received).toBe('');
  });

  test.each([
    ['jabber:client', 'clients (c2s)', '<invalid-namespace/>'],
    ['jabber:client', 'clients (c2s)', '<host-unknown/>'],
    ['jabber:server', 'other servers (s2s)', '<host-unknown/>'],
  ])('whose stream is %s is the port for %s, and the reason says so (%s)', async (namespace, who, error) => {
    const condition = error.replace('/>', " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
    const { server, subject } = await refusedInStream(
      namespace,
      `<stream:error>${condition}</stream:error></stream:stream>`,
    );
    expect(await subject.offline()).toMatchObject({
      code: 'wrong-port',
      reason:
        `${server.service} is the server's port for ${who}, not for components: ` +
        'give the port for components in component.service (5347 unless the server says otherwise)',
    });
  });

  test('that does not speak TLS where it should is said to be that', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: `xmpps://127.0.0.1:${server.port}` });
    const peer = await server.accept();
    peer.write('not TLS at all');
    expect((await subject.offline()).reason).toContain('does the server speak TLS on this port?');
  });

  test('may be a name or an IPv6 address in brackets, with port 5347 if it names none', () => {
    const connect = vi.spyOn(net, 'connect').mockImplementation(() => new net.Socket());
    onTestFinished(() => connect.mockRestore());
    const addressOf = (service: string): unknown => {
      new Subject({ service });
      return connect.mock.calls.at(-1)?.[0];
    };
    expect(addressOf('xmpp://xmpp.example.com')).toMatchObject({ host: 'xmpp.example.com', port: 5347 });
    expect(addressOf('xmpp://127.0.0.1:80')).toMatchObject({ host: '127.0.0.1', port: 80 });
    expect(addressOf('xmpp://[::1]')).toMatchObject({ host: '::1', port: 5347 });
    expect(addressOf('xmpp://[2001:db8::1]:15347')).toMatchObject({ host: '2001:db8::1', port: 15_347 });
    expect(addressOf('xmpp://Bücher.example')).toMatchObject({ host: 'xn--bcher-kva.example', port: 5347 });
  });

  test.each([
    '127.0.0.1:5347',
    'localhost',
    'http://localhost',
    'xmpp:localhost',
    'xmpp://',
    'xmpp://[::1',
    'xmpp://a b',
    'xmpp://a:99999',
    '',
  ])('%j is refused at once, in words', (service) => {
    expect(() => new Subject({ service })).toThrow(
      `component.service: "${service}" is not xmpp://HOST:PORT or xmpps://HOST:PORT`,
    );
  });

  test.skipIf(process.platform !== 'linux')(
    'is reached although it is a second away and its name has another address, where nobody listens',
    async () => {
      const listener = await startSlowListener();
      giveAddresses('127.0.0.1', '127.0.0.2');
      const subject = new Subject({ service: `xmpp://far.example.com:${listener.port}` });
      await new Promise((resolve) => setTimeout(resolve, 50)); // The connection is on its way.
      listener.arrive();
      expect(await Promise.race([listener.received, subject.offline()])).toContain('<stream:stream');
    },
  );

  test.skipIf(process.platform !== 'linux')(
    'whose name has several addresses is reached at another one if the first takes connections and lets nobody in',
    async () => {
      const second = await startXmppServer();
      const first = await startXmppServer({ host: '127.0.0.2', port: second.port });
      giveAddresses('127.0.0.2', '127.0.0.1');
      const subject = new Subject({ service: `xmpp://pair.example.com:${second.port}` });
      await (await first.accept()).sees(/<stream:stream/);
      subject.clock.advance(TIMEOUTS.handshake);
      const { retryInMs } = await subject.offline();
      subject.clock.advance(retryInMs ?? 0);
      const peer = await second.welcome();
      await subject.online();

      peer.cut();
      const again = await subject.offline(2);
      subject.clock.advance(again.retryInMs ?? 0);
      await expectWorking(subject, await second.welcome());
      expect(first.connections).toBe(1);
    },
  );

  test('whose name is looked up for long is looked up once for all tries meanwhile', async () => {
    const server = await startXmppServer();
    const found: ((error: null, addresses: object[]) => void)[] = [];
    const lookup = vi
      .spyOn(dns, 'lookup')
      .mockImplementation(
        ((_name: string, _options: object, callback: (typeof found)[0]) =>
          void found.push(callback)) as never,
      );
    onTestFinished(() => lookup.mockRestore());
    const subject = new Subject({ service: `xmpp://slow.example.com:${server.port}` });
    for (let tries = 1; tries <= 3; tries += 1) {
      subject.clock.advance(TIMEOUTS.handshake);
      const { retryInMs } = await subject.offline(tries);
      subject.clock.advance(retryInMs ?? 0);
    }
    expect(found).toHaveLength(1);
    found[0]?.(null, [{ address: '127.0.0.1', family: 4 }]);
    await server.welcome();
    await subject.online();
    expect(server.connections).toBe(1);
  });

  test.skipIf(!hasIpv6Loopback)('is reached over IPv6', async () => {
    const server = await startXmppServer({ host: '::1' });
    const subject = new Subject({ service: server.service });
    await expectWorking(subject, await server.welcome());
  });
});

describe('why the component is not connected', () => {
  const NOT_CONNECTED = 'the component is not connected to the XMPP server';
  const seeLog = "the log's component-offline line says what to do";

  test('is nothing while it is, and before that, that it connects for the first time', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    expect(subject.session.whyUnready()).toBe(`${NOT_CONNECTED}: connecting for the first time`);
    await server.welcome();
    await subject.online();
    expect(subject.session.whyUnready()).toBeUndefined();
  });

  test('is the code of the last ending and when the next try comes, and never holds the secret', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service, readSecret: () => Promise.resolve('swordfish') });
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    peer.write(
      refusal('not-authorized', "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>not swordfish</text>"),
    );
    await peer.ended;
    const said = [subject.session.whyUnready()];
    peer.end();
    expect((await subject.offline()).retryInMs).toBe(750);
    said.push(subject.session.whyUnready());
    subject.clock.advance(450);
    said.push(subject.session.whyUnready());
    subject.clock.advance(300);
    said.push(subject.session.whyUnready());
    expect(said).toEqual(
      [
        'the connection is being closed',
        'the next try comes in 0.8 s',
        'the next try comes in 0.3 s',
        'the next try is under way',
      ].map((next) => `${NOT_CONNECTED}: not-authorized (${next}); ${seeLog}`),
    );
  });

  test.each([
    ['a domain that the server does not know', 'jabber:component:accept', 'host-unknown'],
    ['a port for clients', 'jabber:client', 'wrong-port'],
  ])('tells apart %s', async (_what, namespace, code) => {
    const { subject } = await refusedInStream(namespace, refusal('host-unknown'));
    await subject.offline();
    expect(subject.session.whyUnready()).toMatch(`${NOT_CONNECTED}: ${code} (the next try comes in `);
  });

  test('tells apart a server that refuses connections and a name that nobody knows', async () => {
    const refused = new Subject({ service: `xmpp://127.0.0.1:${await closedPort()}` });
    await refused.offline();
    expect(refused.session.whyUnready()).toMatch(
      `: connect-failed, ECONNREFUSED (the next try comes in 0.6 s)`,
    );
    const lookup = vi
      .spyOn(dns, 'lookup')
      .mockImplementation(((_name: string, _options: object, callback: (error: Error) => void) =>
        callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))) as never);
    onTestFinished(() => lookup.mockRestore());
    const nameless = new Subject({ service: 'xmpp://xmpp.example.com' });
    await nameless.offline();
    expect(nameless.session.whyUnready()).toMatch(
      `: connect-failed, ENOTFOUND (the next try comes in 0.6 s)`,
    );
  });

  test('is what ended a session that was good, not what had kept it from being so before', async () => {
    const { subject, peer } = await online();
    peer.write('</stream:stream>');
    await peer.ended;
    expect(subject.session.whyUnready()).toBe(
      `${NOT_CONNECTED}: closed (the connection is being closed); ${seeLog}`,
    );
    peer.end();
    await subject.offline();
    expect(subject.session.whyUnready()).toMatch(/: closed \(the next try comes in 0\.6 s\)/);
  });

  test('is that it stops, once it was told to', async () => {
    const { subject, peer } = await online();
    const stopped = subject.session.stop();
    expect(subject.session.whyUnready()).toBe(`${NOT_CONNECTED}: stopping`);
    peer.end();
    await stopped;
    expect(subject.session.whyUnready()).toBe(`${NOT_CONNECTED}: stopping`);
  });
});

describe('stop', () => {
  test('closes the stream, gives what still comes before the server closes its side, and does not connect again', async () => {
    const { server, subject, peer } = await online();
    const stopped = subject.session.stop();
    expect(subject.session.connected).toBe(false);
    await peer.sees(/<\/stream:stream>/);
    peer.write(`<iq type='get' id='1' from='a@b' to='${DOMAIN}'>${PING}</iq>`);
    await subject.received(1);
    await new Promise((resolve) => setImmediate(resolve));
    peer.write("<message id='last'/></stream:stream>");
    peer.end();
    await stopped;
    expect(subject.stanzas).toHaveLength(2);
    expect(subject.observations.at(-1)).toMatchObject({ kind: 'component-offline', code: 'stopped' });
    expect(subject.clock.timers).toBe(0);
    subject.clock.advance(3_600_000);
    expect(server.connections).toBe(1);
  });

  test('resolves although the server hangs', async () => {
    const { server, subject, peer } = await online();
    const stopped = subject.session.stop();
    await peer.sees(/<\/stream:stream>/);
    subject.clock.advance(2000);
    await stopped;
    expect(subject.clock.timers).toBe(0);
    expect(server.connections).toBe(1);
  });

  test('resolves at once between two tries, and there is no further one', async () => {
    const { server, subject, peer } = await online();
    peer.end();
    await subject.offline();
    await subject.session.stop();
    expect(subject.clock.timers).toBe(0);
    subject.clock.advance(3_600_000);
    expect(server.connections).toBe(1);
  });

  test('resolves before the connection is there', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    await subject.session.stop();
    expect(subject.clock.timers).toBe(0);
  });

  test('resolves in the middle of the handshake', async () => {
    const server = await startXmppServer();
    const subject = new Subject({ service: server.service });
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    const stopped = subject.session.stop();
    await peer.sees(/<\/stream:stream>/);
    peer.end();
    await stopped;
    expect(subject.of('component-online')).toEqual([]);
  });

  test('called twice is the same as once', async () => {
    const { subject, peer } = await online();
    const stopped = subject.session.stop();
    expect(subject.session.stop()).toBe(stopped);
    peer.end();
    await stopped;
    expect(subject.of('component-offline')).toHaveLength(1);
  });
});

/** Has a server open a stream in this namespace, end it with these words, and close the connection. */
async function refusedInStream(namespace: string, words: string) {
  const server = await startXmppServer();
  const subject = new Subject({ service: server.service });
  const peer = await server.accept();
  await peer.sees(/<stream:stream [^>]*>/);
  peer.write(
    `<stream:stream xmlns='${namespace}' xmlns:stream='http://etherx.jabber.org/streams' id='1'>${words}`,
  );
  peer.end();
  return { server, subject };
}
