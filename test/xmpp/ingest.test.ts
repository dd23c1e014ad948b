import xml from '@xmpp/xml';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stanza, StanzaEvent } from '../../src/core/event.ts';
import { parseJid } from '../../src/core/jid.ts';
import type { Observation } from '../../src/core/observation.ts';
import { SAFE } from '../../src/core/event-sink.ts';
import { Ingest } from '../../src/xmpp/ingest.ts';
import type { TapName } from '../../src/xmpp/taps/index.ts';
import { ManualClock } from '../support/clock.ts';
import { envelope, eventOf, parseStanza } from '../support/stanza.ts';

const COMPONENT = 'push.example.com';
const CHAT =
  "<message xmlns='jabber:client' from='alice@example.com/Desk' to='bob@example.com' type='chat'><body>Hi</body></message>";
const FORWARDED = envelope(`from='example.com' to='sent@${COMPONENT}'`, CHAT);
const LOGGED = envelope(`from='example.com' to='${COMPONENT}'`, CHAT);
const FORGED = envelope(`from='mallory@example.com/x' to='sent@${COMPONENT}'`, CHAT);

/** What became of one stanza. */
interface Account {
  readonly tap: string;
  readonly discarded?: string;
  readonly event?: StanzaEvent;
}

interface Setting {
  readonly taps?: readonly TapName[];
  readonly hasRoom?: () => boolean;
  readonly clock?: ManualClock;
}

/** An ingest that gives account of each stanza; throws if one is not counted exactly once. */
function openAccounts({
  taps = ['forwarded', 'service_log', 'direct'],
  hasRoom = () => true,
  clock = new ManualClock(),
}: Setting = {}) {
  let observed: Observation[] = [];
  const named: Extract<Observation, { kind: 'untrusted-copy' }>[] = [];
  const missing: Observation[] = [];
  const taken: { event: StanzaEvent; size: number }[] = [];
  const ingest = new Ingest(
    {
      taps,
      componentDomain: COMPONENT,
      trustedDomains: new Set(['example.com']),
      parseJid: (text) => parseJid(text, () => observed.push({ kind: 'jid-preparation-failed' })),
    },
    {
      hasRoom,
      take: (event, size) => {
        taken.push({ event, size });
        return SAFE;
      },
    },
    {
      clock,
      observe: (observation) => {
        if (observation.kind === 'untrusted-copy') named.push(observation);
        else if (observation.kind === 'tap-not-configured') missing.push(observation);
        else observed.push(observation);
      },
    },
  );
  const receive = (stanza: Stanza | string, size = 100): Account => {
    observed = [];
    taken.length = 0;
    ingest.onStanza(typeof stanza === 'string' ? parseStanza(stanza) : stanza, size);
    const [received, fate, ...more] = observed.filter(({ kind }) => kind !== 'jid-preparation-failed');
    expect(received?.kind).toBe('stanza-received');
    expect(more).toEqual([]);
    const tap = received?.kind === 'stanza-received' ? received.tap : '';
    if (fate?.kind === 'stanza-discarded') {
      expect(taken).toEqual([]);
      return { tap, discarded: fate.reason };
    }
    const [first, second] = taken;
    expect(fate).toEqual({ kind: 'event-made', dir: first?.event.dir });
    expect(second).toBeUndefined();
    expect(first?.size).toBe(size);
    return first === undefined ? { tap } : { tap, event: first.event };
  };
  return {
    receive,
    failures: () => observed.filter(({ kind }) => kind === 'jid-preparation-failed').length,
    named: () => named,
    missing: () => missing,
  };
}

describe('which tap takes a stanza', () => {
  it('asks the taps in the configured order', () => {
    const forwardedFirst = openAccounts({ taps: ['forwarded', 'direct'] }).receive(FORWARDED);
    expect(forwardedFirst.tap).toBe('forwarded');
    expect(forwardedFirst.event?.sender).toBe('alice');
    const directFirst = openAccounts({ taps: ['direct', 'forwarded'] }).receive(FORWARDED);
    expect(directFirst.tap).toBe('direct');
    expect(directFirst.event?.from.toString()).toBe('example.com');
  });

  it('gives a forged envelope to direct, as a message of the one who wrote it', () => {
    const { tap, event } = openAccounts().receive(FORGED);
    expect(tap).toBe('direct');
    expect(event?.from.toString()).toBe('mallory@example.com/x');
    expect(event?.message).toBe('');
  });

  it.each([
    ['a forged envelope', ['forwarded'], FORGED],
    ['an envelope of mod_service_log', ['forwarded'], LOGGED],
    ['an envelope of a tap module', ['service_log'], FORWARDED],
    [
      'a stanza to the component',
      ['forwarded', 'service_log'],
      `<presence from='a@b.example' to='${COMPONENT}'/>`,
    ],
    ['a stanza to somebody else', ['direct'], "<message from='a@b.example' to='c@d.example'/>"],
  ] as const)('discards %s as untrusted where no configured tap takes it', (_what, taps, text) => {
    expect(openAccounts({ taps }).receive(text)).toEqual({ tap: 'none', discarded: 'untrusted' });
  });

  it.each([
    ['sent@', ['forwarded', 'direct'], FORWARDED],
    ['received@', ['forwarded', 'direct'], FORWARDED.replace('sent@', 'received@')],
    ['the component itself', ['service_log', 'direct'], LOGGED],
  ] as const)(
    'discards copies to %s of a server that is not trusted, and names the server once',
    (_to, taps, text) => {
      const tap = taps[0];
      const { receive, named } = openAccounts({ taps });
      for (const server of ['exmaple.com', 'other.example', 'exmaple.com']) {
        const copy = text.replace("from='example.com'", `from='${server}'`);
        expect(receive(copy)).toEqual({ tap, discarded: 'untrusted' });
      }
      expect(named()).toEqual([
        { kind: 'untrusted-copy', domain: 'exmaple.com', isLast: false },
        { kind: 'untrusted-copy', domain: 'other.example', isLast: false },
      ]);
    },
  );

  it('names a hundred servers that are not trusted, and says of the last that it names no more', () => {
    const { receive, named } = openAccounts();
    for (let number = 0; number < 150; number += 1) {
      const copy = FORWARDED.replace("from='example.com'", `from='s${number}.example'`);
      expect(receive(copy).discarded).toBe('untrusted');
    }
    expect(named().map(({ isLast }) => isLast)).toEqual(Array.from({ length: 100 }, (_, at) => at === 99));
  });

  it.each([
    ['mod_service_log, which direct takes', ['forwarded', 'direct'], LOGGED, 'service_log'],
    ['mod_service_log, which nobody takes', ['forwarded'], LOGGED, 'service_log'],
    ['a tap module, which direct takes', ['service_log', 'direct'], FORWARDED, 'forwarded'],
    ['a tap module, which nobody takes', ['service_log'], FORWARDED, 'forwarded'],
    [
      'a tap module, which direct takes because it comes first',
      ['direct', 'forwarded'],
      FORWARDED,
      'forwarded',
    ],
    ['a tap module about what is received', ['direct'], FORWARDED.replace('sent@', 'received@'), 'forwarded'],
  ] as const)('names the tap once that copies need: those of %s', (_what, taps, text, tap) => {
    const { receive, missing } = openAccounts({ taps });
    const first = receive(text);
    expect(first.tap).toBe((taps as readonly string[]).includes('direct') ? 'direct' : 'none');
    expect(receive(text).tap).toBe(first.tap);
    expect(missing()).toEqual([{ kind: 'tap-not-configured', tap, domain: 'example.com' }]);
  });

  it.each([
    ['a copy that its tap takes', FORWARDED],
    ['an envelope that a user forges', FORGED.replace('sent@', '')],
    [
      'an envelope of a server that is not trusted',
      LOGGED.replace("from='example.com'", "from='evil.example'"),
    ],
    ['an envelope to another address', LOGGED.replace(`to='${COMPONENT}'`, `to='bot@${COMPONENT}'`)],
    ['two envelopes', LOGGED.replace(/<forwarded.*<\/forwarded>/, '$&$&')],
    [
      'a message of the server itself',
      `<message from='example.com' to='${COMPONENT}'><body>Hi</body></message>`,
    ],
    ['a presence of the server itself', `<presence from='example.com' to='${COMPONENT}'/>`],
  ])('names no tap for %s', (_what, text) => {
    const { receive, missing } = openAccounts({ taps: ['forwarded', 'direct'] });
    receive(text);
    expect(missing()).toEqual([]);
  });

  it('discards an error that a server returns to the component', () => {
    const text = `<message from='example.com' to='sent@${COMPONENT}' type='error'/>`;
    expect(openAccounts().receive(text)).toEqual({ tap: 'direct', discarded: 'error' });
  });

  it('counts a discarded copy for the tap that discarded it', () => {
    const { receive } = openAccounts();
    receive(LOGGED);
    expect(receive(LOGGED)).toEqual({ tap: 'service_log', discarded: 'duplicate' });
  });

  it.each(['get', 'set', 'result', 'error'])('discards an iq %s to the component', (type) => {
    const iq = `<iq from='alice@example.com/Desk' to='${COMPONENT}' type='${type}' id='1'><x xmlns='urn:example'/></iq>`;
    expect(openAccounts().receive(iq)).toEqual({ tap: 'direct', discarded: 'iq' });
  });

  it.each(['x:message', 'c:message', 'handshake', 'route', '__proto__', 'constructor'])(
    'discards a <%s/> as malformed, whatever taps there are',
    (name) => {
      const text = `<${name} xmlns:x='urn:example' from='alice@example.com/Desk' to='${COMPONENT}'/>`;
      for (const tap of ['forwarded', 'service_log', 'direct'] as const) {
        expect(openAccounts({ taps: [tap] }).receive(text)).toEqual({ tap: 'none', discarded: 'malformed' });
      }
    },
  );

  it('makes an event of an iq in a believed envelope', () => {
    const iq =
      "<iq xmlns='jabber:client' from='alice@example.com/Desk' to='bob@example.com/Phone' type='result' id='1'/>";
    const { event } = openAccounts().receive(envelope(`from='example.com' to='received@${COMPONENT}'`, iq));
    expect(event?.dir).toBe('out');
    expect(event?.packet.getName()).toBe('iq');
  });

  it('discards as overload what comes while the inside has no room, and takes what comes afterwards', () => {
    let hasRoom = false;
    const { receive } = openAccounts({ hasRoom: () => hasRoom });
    expect(receive(FORWARDED)).toEqual({ tap: 'forwarded', discarded: 'overload' });
    hasRoom = true;
    expect(receive(FORWARDED).event?.message).toBe('Hi');
  });

  it('tells the reason of a stanza that would be no event anyway, even while there is no room', () => {
    const { receive } = openAccounts({ hasRoom: () => false });
    expect(receive(FORWARDED.replace('bob@example.com', COMPONENT)).discarded).toBe('copy-of-direct');
  });
});

describe('an event', () => {
  it('has the addresses prepared, their parts, the text and the time of receipt', () => {
    const copy = CHAT.replace('alice@', 'ALICE@').replace('bob@example.com', 'Straße@Example.COM/Phone');
    const { receive } = openAccounts({ clock: new ManualClock(1234) });
    const { event } = receive(FORWARDED.replace(CHAT, copy));
    expect(event).toMatchObject({
      dir: 'in',
      host: 'example.com',
      sender: 'alice',
      receiver: 'strasse',
      message: 'Hi',
      receivedAtMs: 1234,
    });
    expect(event?.from.toString()).toBe('alice@example.com/Desk');
    expect(event?.to.toString()).toBe('strasse@example.com/Phone');
    expect(event?.packet.attrs['to']).toBe('Straße@Example.COM/Phone');
  });

  it('has an acc of its own', () => {
    const { receive } = openAccounts();
    const first = receive(FORWARDED).event;
    first?.acc.set('seen', true);
    expect(receive(FORWARDED).event?.acc).toEqual(new Map());
  });

  it('has empty parts where an address has none', () => {
    const { event } = openAccounts().receive(`<presence from='remote.example' to='${COMPONENT}'/>`);
    expect(event).toMatchObject({ host: 'remote.example', sender: '', receiver: '' });
  });

  it('is made even of addresses that cannot be prepared, in lower case and counted', () => {
    const accounts = openAccounts();
    const { event } = accounts.receive(FORWARDED.replace('bob@', 'B&amp;O B@'));
    expect(event?.receiver).toBe('b&o b');
    expect(accounts.failures()).toBe(1);
  });
});

describe('the message of an event', () => {
  const xhtml = "<body xmlns='http://www.w3.org/1999/xhtml'><p>formatted</p>formatted</body>";
  it.each([
    ['the body', '<body>Hi</body>', 'Hi'],
    ['empty without a body', '<subject>S</subject>', ''],
    ['empty if the body is', '<body/>', ''],
    ['white space if the body is', '<body>  \n </body>', '  \n '],
    ['the first of several bodies', "<body xml:lang='pl'>Cześć</body><body>Hi</body>", 'Cześć'],
    ['empty if the first of several bodies is', '<body/><body>Hi</body>', ''],
    ['not a body of XHTML that stands before', `${xhtml}<body>plain</body>`, 'plain'],
    ['empty if there is a body of XHTML only', xhtml, ''],
    ['not a body inside an element', '<x><body>deep</body></x><body>Hi</body>', 'Hi'],
    ['empty if there is only a body inside an element', "<html xmlns='urn:x'>Hi<body>deep</body></html>", ''],
    ['the own text of a body, without the elements in it', '<body>a<b>x</b>c</body>', 'ac'],
    [
      'the text as it was meant',
      '<body>a &lt;b&gt; &#x263A;<![CDATA[ <raw> & ]]>\n\t"\'</body>',
      'a <b> ☺ <raw> & \n\t"\'',
    ],
  ])('is %s', (_what, children, text) => {
    expect(eventOf(CHAT.replace('<body>Hi</body>', children)).message).toBe(text);
    const direct = `<message from='alice@example.com/Desk' to='${COMPONENT}'>${children}</message>`;
    expect(openAccounts().receive(direct).event?.message).toBe(text);
  });

  it('is found where the namespace has a prefix', () => {
    const prefixed =
      "<c:message xmlns:c='jabber:client' from='a@example.com/r' to='b@example.com'><body>not this</body><c:body>this</c:body></c:message>";
    expect(eventOf(prefixed).message).toBe('this');
  });
});

describe('whatever a server sends', () => {
  const printable = (text: string): string => text.replace(/[^\x20-\ud7ff]/g, '?');
  const anyAddress = fc.oneof(
    fc.constantFrom(
      'example.com',
      'Example.com',
      'alice@example.com/Desk',
      'mallory@evil.example/x',
      'evil.example',
      COMPONENT,
      `sent@${COMPONENT}`,
      `received@${COMPONENT}`,
      '',
      '@',
      '/',
      '@/@',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
  );
  const anyNamespace = fc.constantFrom(
    undefined,
    'jabber:client',
    'urn:xmpp:forward:0',
    'urn:xmpp:sid:0',
    'urn:example',
  );
  const anyName = fc.constantFrom(
    'message',
    'presence',
    'iq',
    'forwarded',
    'delay',
    'stanza-id',
    'body',
    'c:message',
    'handshake',
  );
  const attributes = fc.record(
    { from: anyAddress, to: anyAddress, by: anyAddress, xmlns: anyNamespace, 'xmlns:c': anyNamespace },
    { requiredKeys: [] },
  );
  const { anyElement } = fc.letrec<{ anyElement: Stanza }>((tie) => ({
    anyElement: fc
      .record({
        name: anyName,
        attributes,
        children: fc.array(fc.oneof({ depthSize: 'small' }, fc.string(), tie('anyElement')), {
          maxLength: 3,
        }),
      })
      .map((element) => xml(element.name, element.attributes, ...element.children)),
  }));
  const anyCopy = fc
    .record({ name: fc.constantFrom('message', 'presence', 'iq'), from: anyAddress, to: anyAddress })
    .map(({ name, from, to }) => xml(name, { xmlns: 'jabber:client', from, to }, xml('body', {}, 'Hi')));
  const anyEnvelope = (from: fc.Arbitrary<string>) =>
    fc
      .record({
        from,
        to: fc.constantFrom(COMPONENT, `sent@${COMPONENT}`, `received@${COMPONENT}`),
        inner: fc.array(fc.oneof({ weight: 4, arbitrary: anyCopy }, anyElement), {
          minLength: 1,
          maxLength: 2,
        }),
      })
      .map(({ from, to, inner }) =>
        xml('message', { from, to }, xml('forwarded', { xmlns: 'urn:xmpp:forward:0' }, ...inner)),
      );
  const anyStanza = fc.oneof(anyElement, anyEnvelope(anyAddress), anyEnvelope(fc.constant('example.com')));
  const anyTaps = fc.shuffledSubarray(['forwarded', 'service_log', 'direct'] as const);

  it('nothing throws, and each stanza is either one event or discarded once', () => {
    fc.assert(
      fc.property(anyTaps, fc.boolean(), fc.array(anyStanza, { maxLength: 4 }), (taps, hasRoom, stanzas) => {
        const { receive } = openAccounts({ taps, hasRoom: () => hasRoom });
        for (const stanza of stanzas) {
          const { event, discarded } = receive(stanza);
          expect(event === undefined).toBe(discarded !== undefined);
        }
      }),
    );
  });

  const oddName = fc.oneof(
    fc.constantFrom('message', 'presence', 'iq', 'body', 'forwarded', 'c:message', 'c:forwarded', 'é'),
    fc.constantFrom('__proto__', '__proto__:iq', 'x:__proto__', 'constructor', 'hasOwnProperty'),
  );
  const oddAttribute = fc.tuple(
    fc.oneof(
      fc.constantFrom('from', 'to', 'type', 'id', 'by', 'xmlns', 'xmlns:c', 'xmlns:x', 'xmlns:__proto__'),
      oddName,
    ),
    fc.oneof(anyAddress, fc.constantFrom('__proto__', 'error', 'jabber:client', 'urn:xmpp:forward:0')),
  );
  const attributesText = fc
    .uniqueArray(oddAttribute, { selector: ([name]) => name, maxLength: 6 })
    .map((all) => all.map(([name, value]) => ` ${name}="${xml.escapeXML(printable(value))}"`).join(''));
  const { anyText } = fc.letrec<{ anyText: string }>((tie) => ({
    anyText: fc
      .tuple(
        oddName,
        attributesText,
        fc.array(fc.oneof({ depthSize: 'small' }, fc.constant('Hi'), tie('anyText')), { maxLength: 3 }),
      )
      .map(([name, attributes, children]) => {
        const inside = children.join('');
        return `<${name}${attributes}${inside === '' ? '/>' : `>${inside}</${name}>`}`;
      }),
  }));

  it('what it calls its elements and attributes is kept, changes no other object, and each is counted once', () => {
    fc.assert(
      fc.property(anyTaps, anyText, (taps, text) => {
        const stanza = parseStanza(text);
        expect(stanza.toString()).toBe(text);
        const { event, discarded } = openAccounts({ taps }).receive(stanza);
        expect(event === undefined).toBe(discarded !== undefined);
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('nobody but a trusted domain makes an event in the name of another', () => {
    fc.assert(
      fc.property(anyTaps, fc.oneof(anyElement, anyEnvelope(anyAddress)), (taps, stanza) => {
        const { from: outer } = stanza.attrs;
        const { event } = openAccounts({ taps }).receive(stanza);
        if (event === undefined || outer === 'example.com') return;
        expect(event.from.equals(parseJid(outer, () => undefined))).toBe(true);
      }),
    );
  });

  it('a trusted domain makes events dir in of its own users only', () => {
    fc.assert(
      fc.property(anyEnvelope(fc.constant('example.com')), (stanza) => {
        const { event } = openAccounts().receive(stanza);
        if (event?.dir === 'in') expect(event.host).toBe('example.com');
      }),
    );
  });
});
