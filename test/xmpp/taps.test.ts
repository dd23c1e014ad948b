import { describe, expect, it } from 'vitest';
import { parseJid } from '../../src/core/jid.ts';
import { type TapName, taps } from '../../src/xmpp/taps/index.ts';
import { RecentlySeen } from '../../src/xmpp/taps/service-log.ts';
import { envelope, parseStanza } from '../support/stanza.ts';

const TRUSTED = 'example.com';
const COMPONENT = 'push.example.com';
const SENT = `to='sent@${COMPONENT}'`;
const RECEIVED = `to='received@${COMPONENT}'`;
const LOGGED = `to='${COMPONENT}'`;
const CHAT = message(
  "from='alice@example.com/Desk' to='bob@example.com' type='chat' id='c1'",
  '<body>Hi</body>',
);

const delay = "<delay xmlns='urn:xmpp:delay' stamp='2026-11-23T18:44:56Z' from='example.com'/>";

function message(attributes: string, children = ''): string {
  return `<message xmlns='jabber:client' ${attributes}>${children}</message>`;
}

/** A tap of its own for each test; what it says of a stanza, in short. */
function openTap(name: TapName, onUntrustedCopy: (domain: string) => void = () => undefined) {
  const tap = taps[name]({
    componentDomain: COMPONENT,
    trustedDomains: new Set([TRUSTED, 'münchen.example', 'Example.org']),
    parseJid: (text) => parseJid(text, () => undefined),
    onUntrustedCopy,
  });
  return (text: string, nowMs = 0): string | undefined => {
    const found = tap.read(parseStanza(text), nowMs);
    if (typeof found === 'string' || found === undefined) return found;
    return `${found.dir} ${found.packet.getName()} ${found.from.toString()} > ${found.to.toString()}`;
  };
}

const forwarded = openTap('forwarded');
const fromServer = (to: string, inner: string): string => envelope(`from='${TRUSTED}' ${to}`, inner);

describe('forwarded', () => {
  it('takes a copy to sent@ as what a local user sent: dir in', () => {
    expect(forwarded(fromServer(SENT, CHAT))).toBe('in message alice@example.com/Desk > bob@example.com');
  });

  it('takes a copy to received@ as what goes out to a local user: dir out', () => {
    expect(forwarded(fromServer(RECEIVED, CHAT))).toBe(
      'out message alice@example.com/Desk > bob@example.com',
    );
  });

  it.each([
    ['before the stanza', delay + CHAT],
    ['after the stanza', CHAT + delay],
    ['amid white space', `\n  ${delay}\n  ${CHAT}\n`],
  ])('does not mind a delay %s', (_where, inner) => {
    expect(forwarded(fromServer(SENT, inner))).toMatch(/^in message alice/);
  });

  it.each([
    ['a user of the domain', "from='mallory@example.com'"],
    ['a full JID of the domain', "from='mallory@example.com/Desk'"],
    ['the domain with a resource', "from='example.com/Desk'"],
    ['a user of another domain', "from='mallory@evil.example'"],
    ['nobody', ''],
    ['an empty address', "from=''"],
    ['what is too long for a domain', `from='${'x'.repeat(1024)}'`],
  ])('does not believe an envelope from %s, and leaves it to others', (_who, from) => {
    expect(forwarded(envelope(`${from} ${SENT}`, CHAT))).toBeUndefined();
    expect(forwarded(envelope(`${from} ${RECEIVED}`, CHAT))).toBeUndefined();
  });

  it.each([
    ['another domain', 'evil.example'],
    ['a sub-domain', 'chat.example.com'],
    ['a domain that only ends alike', 'notexample.com'],
    ['the domain in other letters', 'Example.com'],
    ['the domain with a dot behind', 'example.com.'],
    ['the domain before preparation', 'MÜNCHEN.example'],
    ['the longest domain', 'x'.repeat(1023)],
  ])(
    'discards an envelope from %s, for a server that is not trusted sends it, and tells of it',
    (_who, from) => {
      const named: string[] = [];
      const tap = openTap('forwarded', (domain) => named.push(domain));
      expect(tap(envelope(`from='${from}' ${SENT}`, CHAT))).toBe('untrusted');
      expect(tap(envelope(`from='${from}' ${RECEIVED}`, `${CHAT}${CHAT}`))).toBe('untrusted');
      expect(named).toEqual([from, from]);
    },
  );

  it('leaves to others what a server that is not trusted sends without an envelope', () => {
    const tap = openTap('forwarded', (domain) => expect(domain).toBe('nobody'));
    expect(tap(`<message from='evil.example' ${SENT}><body>Hi</body></message>`)).toBeUndefined();
    expect(tap(`<presence from='evil.example' ${SENT}/>`)).toBeUndefined();
    expect(tap(envelope(`from='evil.example' ${LOGGED}`, CHAT))).toBeUndefined();
    expect(tap(envelope(`from='evil.example' to='else@${COMPONENT}'`, CHAT))).toBeUndefined();
  });

  it.each([
    ['the component without a local part', LOGGED],
    ['another local part', `to='copies@${COMPONENT}'`],
    ['a resource of sent@', `to='sent@${COMPONENT}/x'`],
    ['sent@ somewhere else', "to='sent@other.example.com'"],
  ])('leaves an envelope to %s to others', (_what, to) => {
    expect(forwarded(fromServer(to, CHAT))).toBeUndefined();
  });

  it('leaves what is no envelope to others', () => {
    expect(
      forwarded(`<message from='${TRUSTED}' ${SENT}><body>Maintenance at noon</body></message>`),
    ).toBeUndefined();
    expect(
      forwarded(fromServer(SENT, CHAT).replaceAll('urn:xmpp:forward:0', 'urn:xmpp:forward:1')),
    ).toBeUndefined();
    const presence = fromServer(SENT, CHAT)
      .replace(/^<message/, '<presence')
      .replace(/<\/message>$/, '</presence>');
    expect(forwarded(presence)).toBeUndefined();
  });

  it.each([
    ['in mixed case', 'alice@Example.COM/Desk', 'alice@example.com/Desk'],
    ['in full-width letters', 'alice@ｅｘａｍｐｌｅ.com/Desk', 'alice@example.com/Desk'],
    ['without a local part', 'example.com', 'example.com'],
    ['without a resource', 'alice@example.com', 'alice@example.com'],
  ])('accepts a sender %s at the domain of the server that sent the copy', (_how, from, prepared) => {
    expect(forwarded(fromServer(SENT, message(`from='${from}' to='bob@example.com'`)))).toBe(
      `in message ${prepared} > bob@example.com`,
    );
  });

  it.each(['evil.example', 'chat.example.com', 'münchen.example'])(
    'does not believe one domain that a user of %s sent something through it',
    (domain) => {
      const copy = message(`from='alice@${domain}/Desk' to='bob@example.com'`);
      expect(forwarded(fromServer(SENT, copy))).toBe('untrusted');
    },
  );

  it('compares trusted domains as written, and the domains of users prepared', () => {
    const copy = message("from='alice@example.org/Desk' to='bob@example.com'");
    const taken = 'in message alice@example.org/Desk > bob@example.com';
    expect(forwarded(envelope(`from='Example.org' ${SENT}`, copy))).toBe(taken);
    expect(openTap('service_log')(envelope(`from='Example.org' ${LOGGED}`, copy))).toBe(taken);
    expect(forwarded(envelope(`from='example.org' ${SENT}`, copy))).toBe('untrusted');
  });

  it('believes that a local user received something from anywhere', () => {
    const copy = message("from='room@chat.example.com/Nick' to='bob@example.com/Desk' type='groupchat'");
    expect(forwarded(fromServer(RECEIVED, copy))).toBe(
      'out message room@chat.example.com/Nick > bob@example.com/Desk',
    );
  });

  it.each([
    ['sent@', SENT, 'in'],
    ['received@', RECEIVED, 'out'],
  ])('takes a copy to %s that has no to as one to the own bare JID of the sender', (_address, to, dir) => {
    const expected = `${dir} message alice@example.com/Desk > alice@example.com`;
    expect(forwarded(fromServer(to, message("from='alice@example.com/Desk'")))).toBe(expected);
    expect(forwarded(fromServer(to, message("from='alice@example.com/Desk' to=''")))).toBe(expected);
  });

  it('takes every kind and type of stanza', () => {
    const addresses = "xmlns='jabber:client' from='alice@example.com/Desk' to='bob@example.com'";
    const sent = 'alice@example.com/Desk > bob@example.com';
    expect(forwarded(fromServer(SENT, `<iq ${addresses} type='get' id='i1'/>`))).toBe(`in iq ${sent}`);
    expect(forwarded(fromServer(SENT, `<iq ${addresses} type='error' id='i1'/>`))).toBe(`in iq ${sent}`);
    expect(forwarded(fromServer(SENT, `<presence ${addresses} type='subscribe'/>`))).toBe(
      `in presence ${sent}`,
    );
    expect(forwarded(fromServer(SENT, `<message ${addresses} type='error'/>`))).toBe(`in message ${sent}`);
    expect(forwarded(fromServer(SENT, `<message ${addresses} type='odd'/>`))).toBe(`in message ${sent}`);
  });

  it('takes a copy whose namespace has a prefix', () => {
    const copy = "<c:message xmlns:c='jabber:client' from='alice@example.com/Desk' to='bob@example.com'/>";
    expect(forwarded(fromServer(SENT, copy))).toBe('in message alice@example.com/Desk > bob@example.com');
  });

  it.each([
    ['an empty envelope', ''],
    ['an envelope with a text only', 'Hi'],
    ['an envelope with a delay only', delay],
    ['two stanzas', CHAT + CHAT],
    ['a message and a presence', `${CHAT}<presence xmlns='jabber:client' from='alice@example.com/Desk'/>`],
    [
      'a stanza beside one of another namespace',
      `${CHAT}<message xmlns='urn:example' from='alice@example.com'/>`,
    ],
    ['a stanza of another namespace', CHAT.replace('jabber:client', 'urn:example')],
    ['a stanza of the namespace of servers', CHAT.replace('jabber:client', 'jabber:server')],
    ['a stanza of the namespace of the stream', CHAT.replace('jabber:client', 'jabber:component:accept')],
    ['a stanza that inherits the namespace of the envelope', CHAT.replace("xmlns='jabber:client'", '')],
    ['a stanza without from', message("to='bob@example.com'")],
    ['a stanza with an empty from', message("from='' to='bob@example.com'")],
  ])('discards %s as malformed', (_what, inner) => {
    expect(forwarded(fromServer(SENT, inner))).toBe('malformed');
    expect(forwarded(fromServer(RECEIVED, inner))).toBe('malformed');
  });

  it('discards two envelopes in one message as malformed', () => {
    const second = `<forwarded xmlns='urn:xmpp:forward:0'>${CHAT}</forwarded>`;
    expect(
      forwarded(fromServer(SENT, CHAT).replace('</message></forwarded>', `</message></forwarded>${second}`)),
    ).toBe('malformed');
  });

  it('opens one level only: an envelope that a user sends is the message of that user', () => {
    const forged = envelope("from='evil.example'", CHAT);
    const sent = forged.replace('<message ', "<message xmlns='jabber:client' to='carol@example.com' ");
    const bySender = sent.replace("from='evil.example'", "from='mallory@example.com/x'");
    expect(forwarded(fromServer(SENT, bySender))).toBe(
      'in message mallory@example.com/x > carol@example.com',
    );
  });

  it.each([
    COMPONENT,
    `sent@${COMPONENT}`,
    `anyone@${COMPONENT}/Desk`,
    'PUSH.Example.COM',
    'x@ｐｕｓｈ.example.com',
  ])('discards the copy of a stanza to %s, which arrives by itself too', (to) => {
    const copy = message(`from='alice@example.com/Desk' to='${to}'`);
    expect(forwarded(fromServer(SENT, copy))).toBe('copy-of-direct');
    expect(forwarded(fromServer(RECEIVED, copy))).toBe('copy-of-direct');
  });

  it('tells the component from its own sub-domains', () => {
    const copy = message(`from='alice@example.com/Desk' to='x@sub.${COMPONENT}'`);
    expect(forwarded(fromServer(SENT, copy))).toBe(`in message alice@example.com/Desk > x@sub.${COMPONENT}`);
  });
});

describe('direct', () => {
  const direct = openTap('direct');

  it.each([
    ['the domain', COMPONENT, COMPONENT],
    ['a local part', `user@${COMPONENT}`, `user@${COMPONENT}`],
    ['a full JID in mixed case', 'User@Push.Example.COM/Res', `user@${COMPONENT}/Res`],
  ])('takes messages and presences to %s of the component: dir in', (_what, to, prepared) => {
    const addresses = `from='alice@example.com/Desk' to='${to}'`;
    expect(direct(`<message ${addresses}/>`)).toBe(`in message alice@example.com/Desk > ${prepared}`);
    expect(direct(`<presence ${addresses}/>`)).toBe(`in presence alice@example.com/Desk > ${prepared}`);
  });

  it.each(['x@remote.example/r', 'x@remote.example', 'remote.example/r'])(
    'takes messages and presences of every type from %s, errors too',
    (from) => {
      for (const type of ['error', 'chat', 'unavailable', 'odd']) {
        const addresses = `from='${from}' to='${COMPONENT}' type='${type}'`;
        expect(direct(`<message ${addresses}/>`)).toBe(`in message ${from} > ${COMPONENT}`);
        expect(direct(`<presence ${addresses}/>`)).toBe(`in presence ${from} > ${COMPONENT}`);
      }
    },
  );

  it.each(['example.com', 'remote.example', 'Remote.Example'])(
    'discards an error of the server %s, and takes what else it sends',
    (server) => {
      for (const to of [COMPONENT, `sent@${COMPONENT}`]) {
        for (const name of ['message', 'presence']) {
          expect(direct(`<${name} from='${server}' to='${to}' type='error'/>`)).toBe('error');
          expect(direct(`<${name} from='${server}' to='${to}'/>`)).toMatch(/^in/);
        }
      }
      expect(direct(`<message from='${server}' to='bob@example.com' type='error'/>`)).toBeUndefined();
    },
  );

  it('takes an envelope that nobody believed as a message of its outer sender', () => {
    expect(direct(envelope(`from='mallory@example.com/x' ${SENT}`, CHAT))).toBe(
      `in message mallory@example.com/x > sent@${COMPONENT}`,
    );
  });

  it('leaves stanzas to another domain to others', () => {
    expect(direct("<message from='alice@example.com' to='bob@example.com'/>")).toBeUndefined();
    expect(direct(`<message from='alice@example.com' to='x@sub.${COMPONENT}'/>`)).toBeUndefined();
  });

  it.each([
    ['no from', `<message to='${COMPONENT}'/>`],
    ['an empty from', `<message from='' to='${COMPONENT}'/>`],
    ['no to', "<message from='alice@example.com'/>"],
  ])('discards what has %s as malformed', (_what, text) => {
    expect(direct(text)).toBe('malformed');
  });
});

describe('service_log', () => {
  const logged = (inner: string, id = '1'): string => fromServer(`${LOGGED} id='${id}'`, inner);
  const sent = 'in message alice@example.com/Desk > bob@example.com';

  it('takes of the copy sent and the copies received the first one', () => {
    const tap = openTap('service_log');
    expect(tap(logged(CHAT, '1'))).toBe(sent);
    expect(tap(logged(CHAT, '2'))).toBe('duplicate');
    expect(tap(logged(CHAT, '3'))).toBe('duplicate');
  });

  it('takes users who wrote their names in capitals at login', () => {
    const tap = openTap('service_log');
    expect(tap(logged(CHAT.replace('alice@example.com', 'ALICE@Example.COM')))).toBe(sent);
  });

  it.each([
    ['other text', CHAT.replace('Hi', 'Ho')],
    ['another id', CHAT.replace('c1', 'c2')],
    ['another recipient', CHAT.replace('bob', 'carol')],
    ['another resource', CHAT.replace('Desk', 'Phone')],
    ['another type', CHAT.replace('chat', 'normal')],
    ['one child more', CHAT.replace('</body>', "</body><request xmlns='urn:xmpp:receipts'/>")],
    ['an attribute deep inside', CHAT.replace('<body>', "<body xml:lang='pl'>")],
  ])('takes a stanza with %s for another one', (_what, other) => {
    const tap = openTap('service_log');
    tap(logged(CHAT));
    expect(tap(logged(other))).toMatch(/^in message/);
    expect(tap(logged(other))).toBe('duplicate');
  });

  it('knows both copies as one where the server strips a forged stanza-id from the received one', () => {
    const tap = openTap('service_log');
    const forgedId = "<stanza-id xmlns='urn:xmpp:sid:0' by='example.com' id='forged'/>";
    expect(tap(logged(CHAT.replace('<body>', `${forgedId}<body>`)))).toBe(sent);
    expect(tap(logged(CHAT))).toBe('duplicate');
  });

  it.each(["by='bob@example.com'", "by='BOB@Example.COM'"])(
    'discards an offline message that is handed out at login, archived %s',
    (by) => {
      const tap = openTap('service_log');
      const archived = `<stanza-id xmlns='urn:xmpp:sid:0' ${by} id='1795'/>`;
      const late = "<delay xmlns='urn:xmpp:delay' from='example.com' stamp='2026-11-23T18:47:41Z'/>";
      const atLogin = CHAT.replace('<body>', `${archived}${late}<body>`).replace('to=', "xml:lang='en' to=");
      expect(tap(logged(atLogin))).toBe('duplicate');
      expect(tap(logged(atLogin.replaceAll("to='bob@example.com'", "to='Bob@example.com/Phone'")))).toBe(
        'duplicate',
      );
    },
  );

  it.each([
    ['by somebody else', "<stanza-id xmlns='urn:xmpp:sid:0' by='carol@example.com' id='1'/>"],
    ['by nobody', "<stanza-id xmlns='urn:xmpp:sid:0'/>"],
    ['that is of another namespace', "<stanza-id xmlns='urn:example' by='bob@example.com' id='1'/>"],
    [
      'that is inside another element',
      "<x><stanza-id xmlns='urn:xmpp:sid:0' by='bob@example.com' id='1'/></x>",
    ],
  ])('takes a message with a stanza-id %s', (_what, other) => {
    expect(openTap('service_log')(logged(CHAT.replace('<body>', `${other}<body>`)))).toBe(sent);
  });

  it.each([
    ['a carbon', "from='bob@example.com' to='bob@example.com/Phone' type='chat'"],
    [
      'the reflection of a room',
      "from='room@chat.example.com/Nick' to='bob@example.com/Desk' type='groupchat'",
    ],
    ['an error that comes back', "from='nobody@example.com' to='alice@example.com/Desk' type='error'"],
    ['what the server itself says', "from='example.com' to='alice@example.com/Desk'"],
    ['what the server says with a resource', "from='example.com/announce' to='alice@example.com/Desk'"],
    ['a message from another server', "from='x@remote.example/r' to='bob@example.com'"],
    ['a message of the other host of this server', "from='x@münchen.example/r' to='bob@example.com'"],
  ])('discards %s as a copy of what somebody else sent', (_what, attributes) => {
    expect(openTap('service_log')(logged(message(attributes, '<body>Hi</body>')))).toBe('duplicate');
  });

  it('takes the sent copy and discards the received one where two hosts talk to each other', () => {
    const tap = openTap('service_log');
    const across = message("from='x@münchen.example/r' to='bob@example.com'", '<body>Hi</body>');
    expect(tap(envelope(`from='münchen.example' ${LOGGED}`, across))).toBe(
      'in message x@münchen.example/r > bob@example.com',
    );
    expect(tap(logged(across))).toBe('duplicate');
  });

  it('takes iq and presence too', () => {
    const tap = openTap('service_log');
    const addresses = "xmlns='jabber:client' from='alice@example.com/Desk' to='bob@example.com/Phone'";
    const ping = `<iq ${addresses} type='get' id='i1'><ping xmlns='urn:xmpp:ping'/></iq>`;
    expect(tap(logged(ping))).toBe('in iq alice@example.com/Desk > bob@example.com/Phone');
    expect(tap(logged(ping))).toBe('duplicate');
    expect(tap(logged(`<presence ${addresses}/>`))).toMatch(/^in presence/);
  });

  it('takes the same words again when ten seconds have passed since they were taken', () => {
    const tap = openTap('service_log');
    expect(tap(logged(CHAT), 1000)).toBe(sent);
    expect(tap(logged(CHAT), 6000)).toBe('duplicate');
    expect(tap(logged(CHAT), 10_999)).toBe('duplicate');
    expect(tap(logged(CHAT), 11_000)).toBe(sent);
  });

  it.each([
    ['a user of the domain', "from='mallory@example.com'"],
    ['the domain with a resource', "from='example.com/x'"],
    ['nobody', ''],
  ])('does not believe an envelope from %s, and leaves it to others', (_who, from) => {
    expect(openTap('service_log')(envelope(`${from} ${LOGGED}`, CHAT))).toBeUndefined();
  });

  it.each(['evil.example', 'EXAMPLE.com'])(
    'discards an envelope from %s, for a server that is not trusted sends it, and tells of it',
    (from) => {
      const named: string[] = [];
      const tap = openTap('service_log', (domain) => named.push(domain));
      expect(tap(envelope(`from='${from}' ${LOGGED}`, CHAT))).toBe('untrusted');
      expect(tap(envelope(`from='${from}' ${SENT}`, CHAT))).toBeUndefined();
      expect(tap(`<message from='${from}' ${LOGGED}><body>Hi</body></message>`)).toBeUndefined();
      expect(named).toEqual([from]);
    },
  );

  it('leaves envelopes with a local part, and what is no envelope, to others', () => {
    const tap = openTap('service_log');
    expect(tap(fromServer(SENT, CHAT))).toBeUndefined();
    expect(tap(fromServer(RECEIVED, CHAT))).toBeUndefined();
    expect(tap(`<message from='${TRUSTED}' ${LOGGED}><body>Hi</body></message>`)).toBeUndefined();
    const presence = logged(CHAT)
      .replace(/^<message/, '<presence')
      .replace(/<\/message>$/, '</presence>');
    expect(tap(presence)).toBeUndefined();
  });

  it('discards copies of stanzas to the component, and what is malformed', () => {
    const tap = openTap('service_log');
    expect(tap(logged(CHAT.replace('bob@example.com', COMPONENT)))).toBe('copy-of-direct');
    expect(tap(logged(CHAT + CHAT))).toBe('malformed');
    expect(tap(logged(''))).toBe('malformed');
    expect(tap(logged(message("to='bob@example.com'")))).toBe('malformed');
  });
});

describe('the memory of service_log', () => {
  it('remembers each text for the window, counted from when it was first seen', () => {
    const seen = new RecentlySeen(100, 10);
    expect(seen.before('a', 0)).toBe(false);
    expect(seen.before('b', 50)).toBe(false);
    expect(seen.before('a', 99)).toBe(true);
    expect(seen.before('a', 100)).toBe(false);
    expect(seen.before('b', 149)).toBe(true);
    expect(seen.before('b', 150)).toBe(false);
  });

  it('forgets the oldest text when it holds as many as it may', () => {
    const seen = new RecentlySeen(100, 2);
    for (const text of ['a', 'b', 'c']) expect(seen.before(text, 0)).toBe(false);
    expect(seen.before('a', 0)).toBe(false);
  });

  it('keeps the newest texts when it holds as many as it may', () => {
    const seen = new RecentlySeen(100, 3);
    for (const text of ['a', 'b', 'c', 'd']) seen.before(text, 0);
    expect(seen.before('d', 0)).toBe(true);
    expect(seen.before('c', 0)).toBe(true);
  });

  it('goes on remembering and forgetting after the clock was set back', () => {
    const seen = new RecentlySeen(100, 10);
    seen.before('a', 1_000_000);
    expect(seen.before('a', 0)).toBe(false);
    expect(seen.before('a', 99)).toBe(true);
    expect(seen.before('a', 100)).toBe(false);
  });
});
