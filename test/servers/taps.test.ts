import { randomUUID } from 'node:crypto';
import xml from '@xmpp/xml';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { describeWithServer } from '../support/servers/availability.ts';
import type { Client } from '../support/servers/client.ts';
import type { Component } from '../support/servers/component.ts';
import { startEjabberd } from '../support/servers/ejabberd.ts';
import { startProsody } from '../support/servers/prosody.ts';
import { COMPONENT, HOST, ROOMS, type RunningServer, type ServerOptions } from '../support/servers/server.ts';
import { containing } from '../support/servers/xml-stream.ts';

const START = { prosody: startProsody, ejabberd: startEjabberd };
const FORWARD = 'urn:xmpp:forward:0';
const OTHER_HOST = 'other.localhost';
/** Lets ejabberd look for the component elsewhere, and for nobody else, so that a test can see that it does not. */
const S2S_TO_COMPONENT = `
acl: { component: { server: ${COMPONENT} } }
access_rules: { only_component: { allow: component } }
s2s_access: only_component`;

/** A copy as it reached the component. */
interface Copy {
  readonly from: string;
  readonly to: string;
  readonly stanza: xml.Element;
  readonly stamp: string | undefined;
}

describe.each(['prosody', 'ejabberd'] as const)('%s', (name) => {
  describeWithServer(name, 'our tap as the README configures it', () => {
    const { server, component, login } = harness(name, {
      tap: 'module',
      extraConfiguration: name === 'ejabberd' ? S2S_TO_COMPONENT : '',
    });

    test.each([
      ['a full JID', 'bob@localhost/phone', 'bob@localhost/phone'],
      ['a bare JID', 'bob@localhost', 'bob@localhost'],
      ['a user who is offline', 'dave@localhost', 'dave@localhost'],
      ['a user who does not exist', 'nobody@localhost', 'nobody@localhost'],
      ['a JID in mixed case', 'BoB@LocalHost/Phone', 'bob@localhost/Phone'],
      ['a JID beyond ASCII', 'JÜRGEN@localhost', 'jürgen@localhost'],
      ['the server itself', 'localhost', 'localhost'],
      ['another domain', 'romeo@example.net', 'romeo@example.net'],
    ])('copies a chat message to %s once, with its JIDs prepared', async (_case, to, prepared) => {
      const alice = await login('alice', 'Desk');
      const token = randomUUID();
      alice.send(chat(to, token));
      const [copy, ...more] = await copiesOf(token, await seenUntilMarker(component(), alice));
      expect(more).toEqual([]);
      expect(copy).toMatchObject({ from: HOST, to: `sent@${COMPONENT}` });
      expect(copy?.stanza.attrs).toMatchObject({
        from: 'alice@localhost/Desk',
        to: prepared,
        type: 'chat',
        id: token,
        xmlns: 'jabber:client',
      });
      expect(copy?.stanza.getChildText('body')).toBe(`Grüße, „${token}“ & ☕`);
    });

    test('tells when the message was sent', async () => {
      // Prosody takes the time of the kernel's last tick, which is some milliseconds ago.
      const before = Math.floor((Date.now() - 100) / 1000) * 1000;
      const alice = await login('alice');
      const token = randomUUID();
      alice.send(chat('bob@localhost', token));
      const [copy] = await copiesOf(token, await seenUntilMarker(component(), alice));
      const stamp = Date.parse(copy?.stamp ?? '');
      expect(stamp).toBeGreaterThanOrEqual(before);
      expect(stamp).toBeLessThanOrEqual(Date.now());
    });

    test('fills in the own bare JID where a message has no recipient', async () => {
      const alice = await login('alice');
      const token = randomUUID();
      alice.send(`<message type='chat' id='${token}'><body>note to self</body></message>`);
      const copies = await copiesOf(token, await seenUntilMarker(component(), alice));
      expect(copies.map(({ stanza }) => stanza.attrs['to'])).toEqual(['alice@localhost']);
    });

    test('writes the sender prepared, however the user logged in', async () => {
      const alice = await login('ALICE', 'Desk');
      const token = randomUUID();
      alice.send(chat('bob@localhost', token));
      const copies = await copiesOf(token, await seenUntilMarker(component(), alice));
      expect(copies.map(({ stanza }) => stanza.attrs['from'])).toEqual(['alice@localhost/Desk']);
    });

    test('copies a message to a room once, and not what the room makes of it', async () => {
      const [alice, bob] = [await login('alice'), await login('bob')];
      await bob.presence();
      const room = await openRoom(alice);
      await bob.join(room, 'bo');
      const token = randomUUID();
      alice.send(`<message to='${room}' type='groupchat' id='${token}'><body>hello, all</body></message>`);
      await bob.next(containing('hello, all'));
      const copies = await copiesOf(token, await seenUntilMarker(component(), alice));
      expect(copies.map(({ to, stanza }) => [to, stanza.attrs['to'], stanza.attrs['type']])).toEqual([
        [`sent@${COMPONENT}`, room, 'groupchat'],
      ]);
    });

    test('copies a message once that two resources and three carbons receive', async () => {
      const { desk, token } = await carbons(login);
      const copies = await copiesOf(token, await seenUntilMarker(component(), desk));
      expect(copies.map(({ to, stanza }) => [to, stanza.attrs['to']])).toEqual([
        [`sent@${COMPONENT}`, 'bob@localhost/phone'],
      ]);
    });

    test('copies neither presence nor iq nor what a user receives', async () => {
      const [alice, bob] = [await login('alice'), await login('bob')];
      await bob.presence();
      await alice.presence();
      await alice.settled();
      const marker = randomUUID();
      alice.send(chat(bob.jid, marker));
      await bob.next(containing(marker));
      const seen = await seenUntilMarker(component(), alice);
      expect(
        seen.map((stanza) => [stanza.startsWith('<message'), stanza.includes(`sent@${COMPONENT}`)]),
      ).toEqual([
        [true, true],
        [true, true],
      ]);
    });

    test('lets a forged copy through as what it is: a message of its sender', async () => {
      const alice = await login('alice', 'Desk');
      const token = randomUUID();
      alice.send(
        `<message to='sent@${COMPONENT}' id='${token}'><forwarded xmlns='${FORWARD}'>` +
          `<message xmlns='jabber:client' from='bob@localhost/phone' to='carol@localhost'><body>forged</body></message>` +
          `</forwarded></message>`,
      );
      const seen = (await seenUntilMarker(component(), alice)).filter(containing(token));
      expect(seen.map((stanza) => parse(stanza).attrs['from'])).toEqual(['alice@localhost/Desk']);
    });

    test('does not copy what is addressed to the component itself', async () => {
      const alice = await login('alice');
      const token = randomUUID();
      alice.send(chat(COMPONENT, token));
      alice.send(chat(`somebody@${COMPONENT}/there`, token));
      const seen = (await seenUntilMarker(component(), alice)).filter(containing(token));
      expect(seen.map((stanza) => parse(stanza).attrs['from'])).toEqual([alice.jid, alice.jid]);
    });

    test('is not noticed by users while the component is away', async () => {
      const [alice, bob] = [await login('alice'), await login('bob')];
      await bob.presence();
      await component().end();
      const token = randomUUID();
      alice.send(chat(bob.jid, token));
      await bob.next(containing(token));
      await alice.settled();
      expect(alice.received.filter((stanza) => stanza.startsWith('<message'))).toEqual([]);
      expect(await wholeLog(server(), login)).not.toMatch(/outbound s2s|component not connected/i);

      const returned = await server().connectComponent();
      const seen = await seenUntilMarker(returned, alice);
      await returned.end();
      expect(seen).toHaveLength(1);
    });

    test('complains of nothing, but for the component that was away (ejabberd)', () => {
      const others = complaints(server().log()).filter(
        (line) => name === 'prosody' || !line.includes(`the component ${COMPONENT} is offline`),
      );
      expect(others).toEqual([]);
    });
  });

  describeWithServer(name, 'our tap, told to hand copies to a component that is not there', () => {
    const { server, login } = harness(name, {
      tap: 'module',
      to: 'psuh.localhost',
      hosts: [HOST, OTHER_HOST],
    });

    test('warns once, whatever many users send from two hosts, and delivers all of it', async () => {
      const senders = [await login('alice'), await login('carol'), await login('alice', 'x', OTHER_HOST)];
      const bob = await login('bob');
      await bob.presence();
      for (let count = 1; count <= 20; count += 1) {
        for (const [index, sender] of senders.slice(0, 2).entries())
          sender.send(chat(bob.jid, `${index}-${count}.`));
        senders[2]?.send(chat(`dave@${OTHER_HOST}`, randomUUID()));
      }
      await bob.next(containing('0-20.'));
      await bob.next(containing('1-20.'));
      await Promise.all(senders.map((sender) => sender.settled()));
      expect(complaints(await wholeLog(server(), login))).toEqual(
        Array.from({ length: name === 'prosody' ? 2 : 1 }, () =>
          expect.stringMatching(/no component psuh\.localhost .*nothing is copied to it/i),
        ),
      );
    });
  });

  describeWithServer(name, 'our tap with everything on', () => {
    const { component, login } = harness(name, {
      tap: 'module',
      directions: ['sent', 'received'],
      kinds: ['message', 'presence', 'iq'],
      hosts: [HOST, OTHER_HOST],
    });

    test('copies a message once as sent and once as received, also to two resources', async () => {
      const [alice, phone, laptop] = [
        await login('alice', 'Desk'),
        await login('bob', 'phone'),
        await login('bob', 'laptop'),
      ];
      await phone.presence();
      await laptop.presence();
      const token = randomUUID();
      alice.send(chat('bob@localhost', token));
      await phone.next(containing(token));
      await laptop.next(containing(token));
      const copies = await copiesOf(token, await seenUntilReceivedMarker(component(), alice));
      expect(copies.map(addresses)).toEqual([
        [HOST, `sent@${COMPONENT}`, 'alice@localhost/Desk', 'bob@localhost'],
        [HOST, `received@${COMPONENT}`, 'alice@localhost/Desk', 'bob@localhost'],
      ]);
    });

    test('copies carbons in neither direction', async () => {
      const { desk, token } = await carbons(login);
      const copies = await copiesOf(token, await seenUntilReceivedMarker(component(), desk));
      expect(copies.map(({ to }) => to)).toEqual([`sent@${COMPONENT}`, `received@${COMPONENT}`]);
    });

    test('copies a stored message as received when it comes in, not again when its user logs in', async () => {
      const alice = await login('alice', 'Desk');
      const token = randomUUID();
      alice.send(chat('erin@localhost', token));
      await alice.settled();
      const erin = await login('erin');
      await erin.presence();
      await erin.next(containing(token));
      const copies = await copiesOf(token, await seenUntilReceivedMarker(component(), alice));
      expect(copies.map(({ to }) => to)).toEqual([`sent@${COMPONENT}`, `received@${COMPONENT}`]);
    });

    // Prosody does not route such a message again: it stores it.
    if (name === 'ejabberd') {
      test('copies a message once that is routed again because a connection was lost (XEP-0198)', async () => {
        const [alice, train, home] = [
          await login('alice', 'Desk'),
          await login('carol', 'train'),
          await login('carol', 'home'),
        ];
        await home.presence();
        await train.presence('<priority>5</priority>');
        train.send("<enable xmlns='urn:xmpp:sm:3'/>");
        await train.next(containing('<enabled'));
        const token = randomUUID();
        alice.send(chat('carol@localhost', token));
        await train.next(containing(token));
        await train.destroy();
        await home.next(containing(token));
        const copies = await copiesOf(token, await seenUntilReceivedMarker(component(), alice));
        expect(copies.map(({ to }) => to)).toEqual([`sent@${COMPONENT}`, `received@${COMPONENT}`]);
      });
    }

    test('copies a message to a user who does not exist as received too', async () => {
      const alice = await login('alice', 'Desk');
      const token = randomUUID();
      alice.send(chat('nobody@localhost', token));
      const seen = await seenUntilReceivedMarker(component(), alice);
      const copies = (await copiesOf(token, seen)).filter(({ stanza }) => stanza.attrs['type'] !== 'error');
      expect(copies.map(addresses)).toEqual([
        [HOST, `sent@${COMPONENT}`, 'alice@localhost/Desk', 'nobody@localhost'],
        [HOST, `received@${COMPONENT}`, 'alice@localhost/Desk', 'nobody@localhost'],
      ]);
    });

    test('copies a message to a room once as sent, and once as received for each occupant', async () => {
      const [alice, bob] = [await login('alice', 'Desk'), await login('bob', 'phone')];
      await bob.presence();
      const room = await openRoom(alice);
      await bob.join(room, 'bo');
      const say = (token: string): void =>
        alice.send(`<message to='${room}' type='groupchat' id='${token}'><body>hello</body></message>`);
      const [token, marker] = [randomUUID(), randomUUID()];
      say(token);
      say(marker);
      const seen = [
        ...(await component().until(containing(marker, `received@`))),
        ...(await component().until(containing(marker, `received@`))),
      ];
      const copies = (await copiesOf(token, seen)).map(({ to, stanza }) => `${to} ${stanza.attrs['to']}`);
      expect(copies.toSorted()).toEqual([
        `received@${COMPONENT} alice@localhost/Desk`,
        `received@${COMPONENT} bob@localhost/phone`,
        `sent@${COMPONENT} ${room}`,
      ]);
    });

    test('copies what is said in a room, but not what the room shows of it to who joins later', async () => {
      const [alice, bob] = [await login('alice', 'Desk'), await login('bob', 'phone')];
      await bob.presence();
      const room = await openRoom(alice);
      const [before, after] = [randomUUID(), randomUUID()];
      alice.send(`<message to='${room}' type='groupchat' id='${before}'><body>before</body></message>`);
      await alice.next(containing(before));
      await bob.join(room, 'bo');
      expect(bob.received.filter(containing(before, 'urn:xmpp:delay'))).toHaveLength(1);
      alice.send(`<message to='${room}' type='groupchat' id='${after}'><body>after</body></message>`);
      await bob.next(containing(after));
      const seen = await seenUntilReceivedMarker(component(), alice);
      const recipients = async (token: string): Promise<unknown[]> =>
        (await copiesOf(token, seen)).map(({ to, stanza }) => `${to} ${stanza.attrs['to']}`).toSorted();
      expect(await recipients(before)).toEqual([
        `received@${COMPONENT} alice@localhost/Desk`,
        `sent@${COMPONENT} ${room}`,
      ]);
      expect(await recipients(after)).toEqual([
        `received@${COMPONENT} alice@localhost/Desk`,
        `received@${COMPONENT} bob@localhost/phone`,
        `sent@${COMPONENT} ${room}`,
      ]);
    });

    test('copies as sent what is said in a room with a delay that is forged in the name of the room', async () => {
      const alice = await login('alice', 'Desk');
      const room = await openRoom(alice);
      const token = randomUUID();
      const delay = `<delay xmlns='urn:xmpp:delay' from='${room}' stamp='2020-01-01T00:00:00Z'/>`;
      alice.send(`<message to='${room}' type='groupchat' id='${token}'><body>hello</body>${delay}</message>`);
      await alice.next(containing(token));
      const copies = await copiesOf(token, await seenUntilReceivedMarker(component(), alice));
      // Prosody's rooms remove such a delay, ejabberd's do not.
      expect(copies.map(({ to }) => to)).toEqual(
        name === 'prosody' ? [`sent@${COMPONENT}`, `received@${COMPONENT}`] : [`sent@${COMPONENT}`],
      );
    });

    test.each([
      ['says so', async (client: Client) => client.send("<presence type='unavailable'/>")],
      ['ends the stream', (client: Client) => client.end()],
      ['loses the connection', (client: Client) => client.destroy()],
    ])(
      'copies as sent that a user is gone who %s, to everybody who knew of this user',
      async (_how, leave) => {
        const room = `${randomUUID()}@${ROOMS}`;
        const [alice, bob] = [await login('alice', 'Desk'), await login('bob', 'phone')];
        await alice.presence();
        await alice.join(room, 'al');
        alice.send(`<presence to='${bob.jid}'/>`);
        await bob.next((stanza) => stanza.startsWith('<presence') && stanza.includes(alice.jid));
        await leave(alice);
        await bob.next(containing('unavailable', alice.jid));
        await alice.end();
        const carol = await login('carol');
        const copies = (await seenUntilReceivedMarker(component(), carol))
          .map((stanza) => readCopy(parse(stanza)))
          .filter(({ stanza }) => stanza.name === 'presence' && stanza.attrs['type'] === 'unavailable')
          .filter(({ to, stanza }) => to === `sent@${COMPONENT}` && stanza.attrs['from'] === alice.jid);
        expect(copies.map(({ stanza }) => String(stanza.attrs['to'])).toSorted()).toEqual(
          ['alice@localhost', bob.jid, `${room}/al`].toSorted(),
        );
      },
    );

    test('copies presence and iq', async () => {
      const [alice, bob] = [await login('alice', 'Desk'), await login('bob', 'phone')];
      await bob.presence();
      const [presence, iq] = [randomUUID(), randomUUID()];
      alice.send(`<presence to='${bob.jid}' id='${presence}'/>`);
      alice.send(`<iq to='${bob.jid}' id='${iq}' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`);
      await bob.next(containing(iq));
      const seen = await seenUntilReceivedMarker(component(), alice);
      for (const [id, kind] of [
        [presence, 'presence'],
        [iq, 'iq'],
      ] as const) {
        const copies = await copiesOf(id, seen);
        expect(copies.map(({ to, stanza }) => [to, stanza.name, stanza.attrs['to']])).toEqual([
          [`sent@${COMPONENT}`, kind, 'bob@localhost/phone'],
          [`received@${COMPONENT}`, kind, 'bob@localhost/phone'],
        ]);
      }
    });

    test('sends each copy from the virtual host whose user it is about', async () => {
      const alice = await login('alice', 'Desk', OTHER_HOST);
      const token = randomUUID();
      alice.send(chat('bob@localhost', token));
      const copies = await copiesOf(token, await seenUntilReceivedMarker(component(), alice));
      expect(copies.map(addresses)).toEqual([
        [OTHER_HOST, `sent@${COMPONENT}`, `alice@${OTHER_HOST}/Desk`, 'bob@localhost'],
        [HOST, `received@${COMPONENT}`, `alice@${OTHER_HOST}/Desk`, 'bob@localhost'],
      ]);
    });

    test('does not copy what users send to the component, nor copies themselves', async () => {
      const alice = await login('alice', 'Desk');
      const token = randomUUID();
      alice.send(chat(`sent@${COMPONENT}`, token));
      const seen = (await seenUntilReceivedMarker(component(), alice)).filter(containing(token));
      expect(seen.map((stanza) => parse(stanza).attrs['from'])).toEqual(['alice@localhost/Desk']);
    });
  });

  describeWithServer(name, 'no tap', () => {
    const { server, component, login } = harness(name, { tap: 'none' });

    test('leaves the component with what is addressed to it', async () => {
      const [alice, bob] = [await login('alice', 'Desk'), await login('bob')];
      await bob.presence();
      const token = randomUUID();
      alice.send(chat(bob.jid, token));
      await bob.next(containing(token));
      const marker = randomUUID();
      alice.send(chat(COMPONENT, marker));
      const seen = await component().until(containing(marker));
      expect(seen.map((stanza) => parse(stanza).attrs['from'])).toEqual(['alice@localhost/Desk']);
    });

    test('and a restart leave the server with its ports and its data', async () => {
      const alice = await login('alice');
      const token = randomUUID();
      alice.send(chat('dave@localhost', token));
      await alice.settled();
      await server().restart();
      const dave = await login('dave');
      await dave.presence();
      await dave.next(containing(token));
    });
  });
});

describeWithServer('prosody', 'our tap with a buffer of 3', () => {
  const { component, server, login } = harness('prosody', { tap: 'module', buffer: 3 });

  test('hands over the last copies, in order, once the component is back', async () => {
    const [alice, bob] = [await login('alice'), await login('bob')];
    await bob.presence();
    await component().end();
    const tokens = Array.from({ length: 5 }, () => randomUUID());
    for (const token of tokens) alice.send(chat(bob.jid, token));
    await bob.next(containing(tokens[4] ?? ''));
    const returned = await server().connectComponent();
    const seen = await seenUntilMarker(returned, alice);
    await returned.end();
    const ids = seen.map(
      (stanza) => parse(stanza).getChild('forwarded', FORWARD)?.getChild('message')?.attrs['id'],
    );
    expect(ids.slice(0, -1)).toEqual(tokens.slice(2));
    expect(alice.received.filter((stanza) => stanza.startsWith('<message'))).toEqual([]);
  });

  test('hands each copy over once', async () => {
    const alice = await login('alice');
    await component().end();
    const token = randomUUID();
    alice.send(chat('dave@localhost', token));
    await alice.settled();
    for (const expected of [1, 0]) {
      const returned = await server().connectComponent();
      const seen = await seenUntilMarker(returned, alice);
      await returned.end();
      expect(seen.filter(containing(token))).toHaveLength(expected);
    }
  });
});

describeWithServer('prosody', 'our tap with a buffer, while Prosody is changed in its shell', () => {
  const { component, server, login } = harness('prosody', {
    tap: 'module',
    buffer: 10,
    hosts: [HOST, OTHER_HOST],
  });

  /** What the component, once it is back, has of these messages. */
  async function handedOver(tokens: readonly string[], sender: Client): Promise<string[]> {
    const returned = await server().connectComponent();
    const seen = await seenUntilMarker(returned, sender);
    await returned.end();
    return seen.flatMap((stanza) => tokens.filter((token) => stanza.includes(`id='${token}'`)));
  }

  /** Sends a message to somebody who is offline, and waits until the server has taken it. */
  async function say(sender: Client): Promise<string> {
    const token = randomUUID();
    sender.send(chat('dave@localhost', token));
    await sender.settled();
    return token;
  }

  test("keeps what is said while the component's host is not active, and after that until it connects", async () => {
    const [alice, other] = [await login('alice'), await login('alice', 'Desk', OTHER_HOST)];
    await server().shell(`host:deactivate("${COMPONENT}")`);
    const tokens = [await say(alice)];
    const otherToken = await say(other);
    await server().shell(`host:activate("${COMPONENT}")`);
    tokens.push(await say(alice));
    const seen = await handedOver([...tokens, otherToken], alice);
    expect(seen.filter((token) => token !== otherToken)).toEqual(tokens);
    expect(seen).toContain(otherToken);
  });

  test('hands over what it kept before the host was deactivated, if nothing more was said', async () => {
    const alice = await login('alice');
    await component().end();
    const tokens = [await say(alice)];
    await server().shell(`host:deactivate("${COMPONENT}")`);
    await server().shell(`host:activate("${COMPONENT}")`);
    expect(await handedOver(tokens, alice)).toEqual(tokens);
  });

  test('hands over what it kept before the module of the component was reloaded', async () => {
    const alice = await login('alice');
    await component().end();
    const tokens = [await say(alice)];
    await server().shell(`module:reload("component", "${COMPONENT}")`);
    tokens.push(await say(alice));
    expect(await handedOver(tokens, alice)).toEqual(tokens);
  });

  test('keeps its copies, in order, when it is itself reloaded', async () => {
    const alice = await login('alice');
    await component().end();
    const tokens = [await say(alice), await say(alice)];
    await server().shell(`module:reload("event_pusher_tap", "${HOST}")`);
    tokens.push(await say(alice));
    await server().shell(`module:reload("event_pusher_tap", "${HOST}")`);
    expect(await handedOver(tokens, alice)).toEqual(tokens);
    expect(await handedOver(tokens, alice)).toEqual([]);
  });

  test('copies a message once after all of that', async () => {
    const alice = await login('alice');
    for (let times = 0; times < 2; times += 1) {
      await server().shell(`host:deactivate("${COMPONENT}")`);
      await server().shell(`host:activate("${COMPONENT}")`);
    }
    await server().shell(`module:reload("event_pusher_tap", "${HOST}")`);
    const tokens = [await say(alice)];
    expect(await handedOver(tokens, alice)).toEqual(tokens);
    expect(server().log()).not.toMatch(/event_pusher_tap.*error/i);
  });
});

describeWithServer('prosody', "our tap, while the component's host comes and goes", () => {
  const { server, login } = harness('prosody', { tap: 'module' });

  test('warns once each time that it is not active', async () => {
    const alice = await login('alice');
    for (let times = 1; times <= 2; times += 1) {
      await server().shell(`host:deactivate("${COMPONENT}")`);
      for (let count = 1; count <= 3; count += 1) alice.send(chat('dave@localhost', randomUUID()));
      await alice.settled();
      await server().shell(`host:activate("${COMPONENT}")`);
    }
    const warning = expect.stringContaining(`No component ${COMPONENT} is active here`);
    expect(complaints(server().log())).toEqual([warning, warning]);
  });
});

describeWithServer('prosody', 'the recipe for mod_firewall', () => {
  const { component, login } = harness('prosody', { tap: 'firewall' });

  test('copies a chat message with a body once, without time, and delivers it', async () => {
    const [alice, bob] = [await login('alice', 'Desk'), await login('bob', 'phone')];
    await bob.presence();
    const token = randomUUID();
    alice.send(chat('BOB@localhost/phone', token));
    await bob.next(containing(token));
    const copies = await copiesOf(token, await seenUntilMarker(component(), alice));
    expect(copies.map(addresses)).toEqual([
      [HOST, `sent@${COMPONENT}`, 'alice@localhost/Desk', 'bob@localhost/phone'],
    ]);
    expect(copies[0]?.stamp).toBeUndefined();
  });

  test('copies neither chat states nor headlines', async () => {
    const alice = await login('alice');
    const token = randomUUID();
    alice.send(
      `<message to='bob@localhost' type='chat' id='${token}'><active xmlns='http://jabber.org/protocol/chatstates'/></message>`,
    );
    alice.send(`<message to='bob@localhost' type='headline' id='${token}'><body>news</body></message>`);
    expect((await seenUntilMarker(component(), alice)).filter(containing(token))).toEqual([]);
  });

  test('delivers messages while the component is away, but tells their senders of an error', async () => {
    const [alice, bob] = [await login('alice'), await login('bob')];
    await bob.presence();
    await component().end();
    const token = randomUUID();
    alice.send(chat(bob.jid, token));
    await bob.next(containing(token));
    const error = await alice.next((stanza) => stanza.startsWith('<message'));
    expect(parse(error).attrs).toMatchObject({ type: 'error', from: `sent@${COMPONENT}`, to: HOST });
  });
});

describeWithServer('ejabberd', 'our tap, whose component comes and goes', () => {
  const { server, login } = harness('ejabberd', { tap: 'module', directions: ['sent', 'received'] });

  test('warns once each time that it goes, and at first in other words if it has not come yet', async () => {
    // Another ejabberd, which has not seen the component of this test.
    await server().restart();
    const [alice, bob] = [await login('alice'), await login('bob')];
    await bob.presence();
    const say = async (): Promise<void> => {
      const token = randomUUID();
      alice.send(chat(bob.jid, token));
      await bob.next(containing(token));
    };
    /** Says something until the server has seen that the component is gone, and more then. */
    const sayAfterEnd = async (warnings: number): Promise<void> => {
      for (let tries = 0; tries < 1000 && complaints(server().log()).length < warnings; tries += 1)
        await say();
      for (let more = 0; more < 3; more += 1) await say();
    };
    await sayAfterEnd(1);
    for (const warnings of [2, 3]) {
      const returned = await server().connectComponent();
      await seenUntilReceivedMarker(returned, alice);
      await returned.end();
      await sayAfterEnd(warnings);
    }
    const offline = expect.stringContaining(`the component ${COMPONENT} is offline`);
    expect(complaints(await wholeLog(server(), login))).toEqual([
      expect.stringMatching(
        /no component push\.localhost has been here yet, nothing is copied to it\. .*under hosts of ejabberd_service/,
      ),
      offline,
      offline,
    ]);
  });
});

describeWithServer('ejabberd', 'the recipe for mod_service_log', () => {
  const { component, server, login } = harness('ejabberd', { tap: 'service_log' });

  test('tells of a lost connection only from those who get to know of it', async () => {
    const [alice, bob] = [await login('alice', 'Desk'), await login('bob', 'phone')];
    await alice.presence();
    await bob.presence();
    alice.send(`<presence to='${bob.jid}'/>`);
    await bob.next((stanza) => stanza.startsWith('<presence') && stanza.includes(alice.jid));
    await alice.destroy();
    await bob.next(containing('unavailable', alice.jid));
    const copies = (await seenUntilMarker(component(), bob)).filter(containing("type='unavailable'"));
    expect(copies.map((stanza) => addresses(readCopy(parse(stanza))))).toEqual([
      [HOST, COMPONENT, alice.jid, bob.jid],
    ]);
  });

  test('gives a copy of what is sent and one of what is received, alike, with JIDs as they were written', async () => {
    const [alice, bob] = [await login('alice', 'Desk'), await login('bob', 'phone')];
    await bob.presence();
    const token = randomUUID();
    alice.send(chat('BoB@LocalHost/phone', token));
    await bob.next(containing(token));
    const copies = await copiesOf(token, await seenUntilDeliveredMarker(component(), alice, bob));
    expect(copies.map((copy) => [...addresses(copy), copy.stamp])).toEqual([
      [HOST, COMPONENT, 'alice@localhost/Desk', 'BoB@LocalHost/phone', undefined],
      [HOST, COMPONENT, 'alice@localhost/Desk', 'BoB@LocalHost/phone', undefined],
    ]);
  });

  test('gives copies of presence and iq too', async () => {
    const alice = await login('alice', 'Desk');
    await alice.presence();
    await alice.settled();
    const names = (await seenUntilMarker(component(), alice)).map(
      (stanza) => readCopy(parse(stanza)).stanza.name,
    );
    expect(new Set(names)).toEqual(new Set(['presence', 'iq', 'message']));
  });

  test('is not noticed by users while the component is away, and does not look for it elsewhere', async () => {
    const [alice, bob] = [await login('alice'), await login('bob')];
    await bob.presence();
    await component().end();
    const token = randomUUID();
    alice.send(chat(bob.jid, token));
    await bob.next(containing(token));
    await alice.settled();
    expect(alice.received.filter((stanza) => stanza.startsWith('<message'))).toEqual([]);
    expect(await wholeLog(server(), login)).not.toMatch(/outbound s2s/i);
  });
});

/** A server for a suite; for each of its tests a component that is connected, and clients that are logged out afterwards. */
function harness(name: 'prosody' | 'ejabberd', options: ServerOptions) {
  let server: RunningServer | undefined;
  let component: Component | undefined;
  const clients: Client[] = [];

  beforeAll(async () => {
    server = await START[name](options);
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    component = await server?.connectComponent();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
    await component?.end();
  });

  return {
    server: () => present(server),
    component: () => present(component),
    login: async (user: string, resource?: string, host?: string): Promise<Client> => {
      const client = await present(server).login(user, resource, host);
      clients.push(client);
      return client;
    },
  };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the server of this suite has not started');
  return value;
}

function chat(to: string, token: string): string {
  return `<message to='${to}' type='chat' id='${token}'><body>Grüße, „${token}“ &amp; ☕</body></message>`;
}

/** Accepts a new room as it is (XEP-0045, section 10.1.2). */
function instantRoom(room: string): string {
  return (
    `<iq type='set' id='${randomUUID()}' to='${room}'><query xmlns='http://jabber.org/protocol/muc#owner'>` +
    `<x xmlns='jabber:x:data' type='submit'/></query></iq>`
  );
}

/** alice/desk writes to bob/phone; alice/tablet and bob/laptop have got their carbons of it when this resolves. */
/** Makes a client present and the first occupant, called `al`, of a new room; resolves to the room's address. */
async function openRoom(client: Client): Promise<string> {
  const room = `${randomUUID()}@${ROOMS}`;
  await client.presence();
  await client.join(room, 'al');
  client.send(instantRoom(room));
  return room;
}

async function carbons(login: (user: string, resource: string) => Promise<Client>) {
  const desk = await login('alice', 'desk');
  const others = [await login('alice', 'tablet'), await login('bob', 'phone'), await login('bob', 'laptop')];
  for (const client of [desk, ...others]) {
    await client.enableCarbons();
    await client.presence();
  }
  const token = randomUUID();
  desk.send(chat('bob@localhost/phone', token));
  await Promise.all(others.map((client) => client.next(containing(token))));
  return { desk, token };
}

/** What our tap has logged as a warning or an error. */
function complaints(log: string): string[] {
  return log
    .split('\n')
    .filter((line) => /event_pusher_tap.*(warn|error)|(warn|error).*event_pusher_tap/i.test(line));
}

/** What the server has logged about all that happened so far; erin must not have logged in to it before. */
async function wholeLog(server: RunningServer, login: (user: string) => Promise<Client>): Promise<string> {
  await login('erin');
  await server.logged('erin@localhost');
  return server.log();
}

/**
 * What the component gets until the copy of a message that is sent now; order is kept, so nothing that was sent before
 * can come later.
 */
async function seenUntilMarker(component: Component, sender: Client): Promise<string[]> {
  const marker = randomUUID();
  sender.send(chat('dave@localhost', marker));
  return component.until(containing(marker));
}

/** The same, until the marker's copy as received. */
async function seenUntilReceivedMarker(component: Component, sender: Client): Promise<string[]> {
  const marker = randomUUID();
  sender.send(chat('dave@localhost', marker));
  return component.until(containing(marker, `received@${COMPONENT}`));
}

/** The same for a server that copies at delivery and does not tell directions: until the marker's second copy. */
async function seenUntilDeliveredMarker(
  component: Component,
  sender: Client,
  recipient: Client,
): Promise<string[]> {
  const marker = randomUUID();
  sender.send(chat(recipient.jid, marker));
  return [...(await component.until(containing(marker))), ...(await component.until(containing(marker)))];
}

async function copiesOf(token: string, seen: readonly string[]): Promise<Copy[]> {
  return seen.filter(containing(token)).map((stanza) => readCopy(parse(stanza)));
}

function readCopy(envelope: xml.Element): Copy {
  expect(envelope.name).toBe('message');
  const forwarded = envelope.getChild('forwarded', FORWARD);
  const inner = (forwarded?.getChildElements() ?? []).filter(({ name }) => name !== 'delay');
  expect(inner, envelope.toString()).toHaveLength(1);
  const [stanza] = inner;
  if (stanza === undefined) throw new Error(`not a copy: ${envelope.toString()}`);
  return {
    from: String(envelope.attrs['from']),
    to: String(envelope.attrs['to']),
    stanza,
    stamp: forwarded?.getChild('delay', 'urn:xmpp:delay')?.attrs['stamp'] as string | undefined,
  };
}

function addresses({ from, to, stanza }: Copy): unknown[] {
  return [from, to, stanza.attrs['from'], stanza.attrs['to']];
}

/** Reads one stanza with @xmpp/xml alone, so that a fault in our own parser cannot hide here. */
function parse(text: string): xml.Element {
  const elements: xml.Element[] = [];
  const parser = new xml.Parser();
  parser.on('element', (element: xml.Element) => elements.push(element));
  parser.on('error', (error: Error) => {
    throw error;
  });
  parser.write(`<stream>${text}`);
  const [element] = elements;
  if (element === undefined) throw new Error(`not one stanza: ${text}`);
  return element;
}
