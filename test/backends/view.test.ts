import { setImmediate as turn } from 'node:timers/promises';
import xml from '@xmpp/xml';
import { describe, expect, it } from 'vitest';
import { privateView } from '../../src/backends/callbacks/view.ts';
import type { CallbackModule } from '../../src/core/callback.ts';
import type { StanzaEvent } from '../../src/core/event.ts';
import { chat, openRouter } from '../support/router.ts';
import { envelope, eventOf, parseStanza } from '../support/stanza.ts';

type Changeable = { -readonly [Field in keyof StanzaEvent]: StanzaEvent[Field] };

/** What a callback can do to its event; `event` has no types, as in JavaScript. */
// oxlint-disable-next-line typescript/no-explicit-any
const changes: readonly [what: string, change: (event: any) => void][] = [
  ['takes a field away', (event) => (event.from = undefined)],
  ['deletes a field', (event) => delete event.from],
  ['deletes its packet', (event) => delete event.packet],
  ['puts another type into a field', (event) => (event.message = 42)],
  ['puts another packet in place', (event) => (event.packet = null)],
  ['empties all its fields', (event) => Object.assign(event, { from: 0, to: 0, host: 0, sender: 0, dir: 0 })],
  ['freezes it', (event) => Object.freeze(event)],
  ['writes into a JID', (event) => (event.from.local = undefined)],
  ['writes into the other JID', (event) => Object.assign(event.to, { local: 'eve', domain: 7 })],
  ["takes the packet's attributes away", (event) => (event.packet.attrs = undefined)],
  ['writes an attribute', (event) => (event.packet.attrs.type = 'error')],
  ['puts rubbish among the children', (event) => event.packet.children.push(null, Symbol('rubbish'))],
  ['takes the children away', (event) => (event.packet.children = undefined)],
  ['changes a child', (event) => (event.packet.getChild('body').children[0] = 'forged')],
  ['takes an attribute of a child away', (event) => (event.packet.getChild('body').attrs = null)],
  ['renames the packet', (event) => (event.packet.name = null)],
  ['changes what stands around the packet', (event) => (event.packet.parent.attrs = null)],
  ["changes the stream's header", (event) => (event.packet.root().attrs.xmlns = 'urn:forged')],
  ['tears the packet out', (event) => event.packet.parent.remove(event.packet)],
];

it("a callback gets a stanza's attributes as they are, whatever they are called", () => {
  const odd = "xmlns:y='__proto__' __proto__='1' hasOwnProperty='2' y:a='3'";
  const event = eventOf(`<message from='alice@example.com' ${odd}><x y:a='4'/></message>`);
  const { packet } = privateView(event);
  expect(packet.toString()).toBe(event.packet.toString());
  expect(packet.toString()).toContain('__proto__="1"');
  expect(packet.attrs['__proto__']).toBe('1');
  expect([packet, ...packet.getChildElements()].map((one) => one.getAttr('a', '__proto__'))).toEqual([
    '3',
    '4',
  ]);
  const { attrs } = privateView(eventOf("<message from='alice@example.com'/>")).packet;
  expect([attrs['__proto__'], attrs['constructor'], attrs['hasOwnProperty']]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

describe('a callback that spoils its event', () => {
  for (const [when, spoil] of [
    ['at once', (change: (event: StanzaEvent) => void) => (event: StanzaEvent) => (change(event), false)],
    ['and wants it', (change: (event: StanzaEvent) => void) => (event: StanzaEvent) => (change(event), true)],
    [
      'after it has waited',
      (change: (event: StanzaEvent) => void) => async (event: StanzaEvent) => {
        await turn();
        change(event);
        return true;
      },
    ],
  ] as const) {
    it.each(changes)(`changes nothing for the others: ${when}, it %s`, async (_what, change) => {
      const { take, router, deliver, observed } = await openRouter([
        { name: 'spoils', shouldMakeReq: spoil(change), prepareBody: () => 'spoilt' },
        { name: 'default' },
        { name: 'foreign', shouldMakeReq: () => true, prepareBody: ({ packet }) => packet.toString() },
      ]);
      const event = chat('Hi');
      const xml = event.packet.toString();
      take(event);
      await router.settled();
      const delivered = (await deliver()).toSorted((a, b) => a.backend.localeCompare(b.backend));
      const form = 'author=alice&server=example.com&receiver=bob&message=Hi';
      const addresses = { sender: 'alice@example.com', receiver: 'bob@example.com', host: 'example.com' };
      expect(delivered.filter(({ backend }) => backend !== 'spoils')).toMatchObject([
        { backend: 'default', body: form, ...addresses },
        { backend: 'foreign', body: xml, ...addresses },
      ]);
      // Its own notification has the addresses of the stanza, too.
      if (when !== 'at once')
        expect(delivered).toContainEqual(expect.objectContaining({ backend: 'spoils', ...addresses }));
      expect(
        observed.filter(({ kind }) => kind !== 'notification-accepted' && kind !== 'notification-delivered'),
      ).toEqual([]);
    });
  }

  it('leaves the stanza of its own dead letter as it came', async () => {
    const { take, router, letters } = await openRouter([
      {
        name: 'spoils',
        shouldMakeReq: (event) => {
          Object.assign(event.packet, { attrs: {}, children: [] });
          Object.assign(event, { from: undefined, to: undefined, dir: 'out', receivedAtMs: 7 });
          throw new Error('spoilt');
        },
      },
    ]);
    const event = eventOf(
      "<message from='alice@example.com' to='bob@example.com' type='chat'><body>Hi</body></message>",
      'in',
      1_700_000_000_000,
    );
    const xml = event.packet.toString();
    take(event);
    await router.settled();
    expect(letters()).toMatchObject([
      {
        notification: { sender: 'alice@example.com', receiver: 'bob@example.com', host: 'example.com' },
        stanza: {
          xml,
          dir: 'in',
          from: 'alice@example.com',
          to: 'bob@example.com',
          receivedAtMs: 1_700_000_000_000,
        },
      },
    ]);
  });

  it('is kept from the default callbacks that stand in for those it lacks by nothing but its own changes', async () => {
    const { take, router, deliver } = await openRouter([
      {
        shouldMakeReq: (event: Changeable) => {
          event.message = 'changed';
          return true;
        },
      } as CallbackModule,
    ]);
    take(chat('Hi'));
    await router.settled();
    expect(await deliver()).toMatchObject([{ body: expect.stringMatching(/message=changed$/) }]);
  });
});

describe('a result that throws when it is looked at', () => {
  const thrower = (): never => {
    throw new Error('looked at');
  };
  const having = (object: object, name: string, property: PropertyDescriptor): object =>
    Object.defineProperty(object, name, property);
  it.each<[string, CallbackModule]>([
    ['of shouldMakeReq', { shouldMakeReq: () => having({}, 'then', { get: thrower }) }],
    [
      'of shouldMakeReq, the second time',
      {
        shouldMakeReq: () => {
          let looks = 0;
          return having({}, 'then', {
            get: () => (looks++ === 0 ? () => undefined : thrower()),
          });
        },
      },
    ],
    [
      'of prepareHeaders',
      { shouldMakeReq: () => true, prepareHeaders: () => new Proxy({}, { ownKeys: thrower }) },
    ],
    [
      'of prepareBody',
      {
        shouldMakeReq: () => true,
        prepareBody: () => new Proxy(new Uint8Array(), { getPrototypeOf: thrower }),
      },
    ],
    ['of a promise', { shouldMakeReq: () => having(Promise.resolve(true), 'then', { value: thrower }) }],
  ])('is a failure of its own backend only: %s', async (_what, callback) => {
    const { take, router, deliver, observed } = await openRouter([
      { name: 'first' },
      { name: 'throws', ...callback },
      { name: 'last' },
    ]);
    take(chat('Hi'));
    await router.settled();
    expect((await deliver()).map(({ backend }) => backend)).toEqual(['first', 'last']);
    expect(observed).toContainEqual(expect.objectContaining({ kind: 'callback-failed', backend: 'throws' }));
  });
});

describe("a backend's own view of an event", () => {
  const inner =
    "<message xmlns='jabber:client' from='alice@example.com/a' to='bob@example.com' type='chat' xml:lang='en'>" +
    "<body>Hi</body>, <x xmlns='urn:x'><y z='1'/>&amp;</x></message>";
  const event = eventOf(parseStanza(inner));

  it('shows all that the event has, and only that', () => {
    const { packet, ...rest } = privateView(event);
    const { packet: original, ...originalRest } = event;
    expect(rest).toEqual(originalRest);
    expect(rest.acc).toBe(event.acc);
    expect(rest.from.bare().toString()).toBe('alice@example.com');
    expect(packet.toString()).toBe(original.toString());
  });

  it('has a copy of the stanza that is an Element, and stays the same one', () => {
    const { packet } = privateView(event);
    expect(packet).toBeInstanceOf(xml.Element);
    expect(packet.getChild('x', 'urn:x')).toBe(packet.getChildElements()[1]);
    expect(packet.getChild('x')?.parent).toBe(packet);
    expect(packet.getChild('x')?.getChild('y')?.attrs).toEqual({ z: '1' });
    expect(packet.getChildText('body')).toBe('Hi');
    expect(packet.attrs).toBe(packet.attrs);
    expect(packet.attrs).not.toBe(event.packet.attrs);
    packet.c('mine', { a: 'b' }).t('text');
    packet.remove('body').attr('type', 'normal');
    expect(packet.toString()).toBe(
      '<message xmlns="jabber:client" from="alice@example.com/a" to="bob@example.com" type="normal" xml:lang="en">' +
        ', <x xmlns="urn:x"><y z="1"/>&amp;</x><mine a="b">text</mine></message>',
    );
    expect(event.packet.getChildText('body')).toBe('Hi');
  });

  it('can be put into another element, and be cloned as the library does it', () => {
    const { packet } = privateView(event);
    const outer = xml('outer', {}, packet);
    expect(packet.parent).toBe(outer);
    expect(outer.toString()).toBe(`<outer>${event.packet.toString()}</outer>`);
    const { name, attrs } = packet;
    // So the library's own `clone` makes an element.
    const copy = new (packet.constructor as typeof xml.Element)(name, attrs);
    expect(copy).toEqual(new xml.Element(name, attrs));
  });

  it('shows the envelope and the namespaces around the stanza as they are', () => {
    const outer = parseStanza(
      envelope("from='example.com' to='sent@push.invalid'", `<delay xmlns='urn:xmpp:delay'/>${inner}`),
    );
    const original = outer.getChild('forwarded')!.getChild('message')!;
    const { packet } = privateView({ ...event, packet: original });
    expect(packet.parent?.toString()).toBe(original.parent?.toString());
    expect(packet.root().toString()).toBe(original.root().toString());
    expect(packet.parent?.getChild('message')).toBe(packet);
    expect(packet.parent?.getChild('delay')?.parent).toBe(packet.parent);
    expect(packet.root().parent).toBeNull();
    expect(packet.root()).not.toBe(original.root());
    const bare = parseStanza("<message from='a@example.com'><body>Hi</body></message>");
    const direct = privateView({ ...event, packet: bare });
    expect(direct.packet.getNS()).toBe('jabber:component:accept');
    expect(direct.packet.getChild('body')?.getNS()).toBe('jabber:component:accept');
  });
});
