import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isSentChat } from '../../src/backends/match/default.ts';
import { form } from '../../src/backends/payloads/form.ts';
import type { StanzaEvent } from '../../src/core/event.ts';
import { eventOf, parseStanza } from '../support/stanza.ts';

/** What a running MongooseIM 6.3.3 did; see "about" in the file. */
interface Vector {
  readonly name: string;
  readonly sender: string;
  readonly stanza: string;
  readonly default_posts: readonly string[];
  readonly events: readonly VectorEvent[];
}

interface VectorEvent {
  readonly dir: 'in' | 'out';
  readonly host: string;
  readonly sender: string;
  readonly receiver: string;
  readonly stanza_name: string;
  readonly stanza_type: string | null;
  readonly from: string;
  readonly to: string;
  readonly message: string;
  readonly xml: string;
}

const file = readFileSync(new URL('../data/mongooseim-vectors.json', import.meta.url), 'utf8');
const { vectors } = JSON.parse(file.replace(/(\w)\[\.\.\.(\d+) times\.\.\.\]/g, repeat)) as {
  vectors: readonly Vector[];
};

function repeat(_all: string, letter: string, count: string): string {
  return letter.repeat(Number(count));
}

/** Where our default notifications differ from MongooseIM's, on purpose. */
const differentPosts: Record<string, { readonly posts: readonly string[]; readonly reason: string }> = {
  'whitespace only': {
    posts: ['author=alice&server=localhost&receiver=bob&message=+++'],
    reason: 'Its XML parser drops text that is only white space; XML 1.0, section 2.10, keeps it.',
  },
  'newline tab crlf': {
    posts: ['author=alice&server=localhost&receiver=bob&message=l1%0Al2%09t%0Al3%0Dl4%0A'],
    reason: 'Its XML parser keeps CR LF; XML 1.0, section 2.11, makes LF of it.',
  },
  'invalid JID to': {
    posts: ['author=alice&server=localhost&receiver=&message=badjid'],
    reason:
      'It refuses the stanza, as every server does; were it handed on, no notification is lost over an address.',
  },
  'spoofed from attr': {
    posts: ['author=wide&server=localhost&receiver=bob&message=spoof'],
    reason: 'It ends the stream of the user; servers that hand the stanza on put the true sender into it.',
  },
};

/** Where there is an event here and none there, which the default callback refuses; callbacks see more than there. */
const moreEvents: Record<string, string> = {
  'type error': 'It has no event for errors; here the callback decides.',
  'type unknown foo': 'It has no event for types that it does not know; here the callback decides.',
  'iq get version to bob full': 'It has no events for iq; a tap may hand them on.',
  'muc config instant': 'It has no events for iq; a tap may hand them on.',
  'block alice by bob': 'It has no events for iq; a tap may hand them on.',
  unblock: 'It has no events for iq; a tap may hand them on.',
  'presence subscribe': 'It has no events for presences sent; a tap may hand them on.',
  'broadcast presence away': 'It has no events for presences sent; a tap may hand them on.',
  'muc join alice': 'It has no events for presences sent; a tap may hand them on.',
  'muc join bob': 'It has no events for presences sent; a tap may hand them on.',
  'unavailable presence': 'It has no events for presences sent; a tap may hand them on.',
};

/** The copy that a server makes of what a client wrote: with the true sender, and to himself if to nobody. */
function sentBy({ sender, stanza }: Vector): StanzaEvent {
  const packet = parseStanza(stanza);
  packet.attrs['from'] = sender;
  return eventOf(packet);
}

function argumentsOf({ dir, host, sender, receiver, message, packet, from, to }: StanzaEvent): unknown {
  return {
    dir,
    host,
    sender,
    receiver,
    stanza_name: packet.getName(),
    stanza_type: packet.attrs['type'] ?? null,
    from: from.toString(),
    to: to.toString(),
    message,
  };
}

function postsOf(event: StanzaEvent): unknown[] {
  return isSentChat(event) ? [form.body(event, 'id')] : [];
}

describe('the default callback posts what MongooseIM posts, byte for byte', () => {
  it.each(vectors.map((vector) => [vector.name, vector] as const))('%s', (name, vector) => {
    const expected = differentPosts[name]?.posts ?? vector.default_posts;
    expect(postsOf(sentBy(vector))).toEqual(expected);
  });

  it('with the same header', () => {
    expect(form.contentType).toBe('application/x-www-form-urlencoded');
    expect(form.headers).toBeUndefined();
  });
});

describe('callbacks get the arguments that they get from MongooseIM when a user sends something', () => {
  it.each(vectors.map((vector) => [vector.name, vector] as const))('%s', (name, vector) => {
    const there = vector.events.filter(({ dir }) => dir === 'in').map(({ xml: _xml, ...event }) => event);
    const here = argumentsOf(sentBy(vector));
    if (there.length === 0 && (name in moreEvents || name in differentPosts)) return;
    expect([here]).toEqual(
      name in differentPosts ? [{ ...there[0], message: sentBy(vector).message }] : there,
    );
  });
});

const outEvents = vectors.flatMap(({ name, events }) =>
  events.filter(({ dir }) => dir === 'out').map((event, index) => [name, index + 1, event] as const),
);

describe('callbacks get the arguments that they get from MongooseIM when something goes out to a user', () => {
  it.each(outEvents)('%s, %i', (_name, _number, { xml, ...there }) => {
    // MongooseIM writes a carriage return as it is, which XML 1.0, section 2.11, would make a line feed of.
    const packet = parseStanza(xml.replaceAll('\r', '&#13;'));
    packet.attrs['from'] = there.from;
    packet.attrs['to'] = there.to;
    const event = eventOf(packet, 'out');
    expect(argumentsOf(event)).toEqual(there);
    expect(postsOf(event), 'the default callback notifies of nothing that goes out').toEqual([]);
  });
});

it('names only differences that there are', () => {
  const names = vectors.map(({ name }) => name);
  for (const [name, { posts }] of Object.entries(differentPosts)) {
    expect(names).toContain(name);
    expect(vectors.find((vector) => vector.name === name)?.default_posts).not.toEqual(posts);
  }
  for (const name of Object.keys(moreEvents)) {
    expect(vectors.find((vector) => vector.name === name)?.events.some(({ dir }) => dir === 'in')).toBe(
      false,
    );
  }
});
