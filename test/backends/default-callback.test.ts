import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSentChat } from '../../src/backends/match/default.ts';
import { form } from '../../src/backends/payloads/form.ts';
import type { StanzaEvent } from '../../src/core/event.ts';
import { eventOf } from '../support/stanza.ts';

const chat = eventOf("<message from='a@x.example' to='b@y.example' type='chat'><body>Hi</body></message>");

const bodyOf = (event: Partial<StanzaEvent>) => form.body({ ...chat, ...event }, 'id');

function message(attributes: string, children = '<body>Hi</body>'): string {
  return `<message from='a@x.example' to='b@y.example' ${attributes}>${children}</message>`;
}

describe('the default callback', () => {
  it('sends a chat with a text that a local user sent', () => {
    expect(isSentChat(eventOf(message("type='chat'")))).toBe(true);
    expect(isSentChat(eventOf(message("type='chat'", '<body> </body>')))).toBe(true);
  });

  it.each([
    ['goes out to a user', eventOf(message("type='chat'"), 'out')],
    ['has no type', eventOf(message(''))],
    ...['normal', 'headline', 'groupchat', 'error', 'Chat', 'chat ', ''].map(
      (type): [string, StanzaEvent] => [`has the type "${type}"`, eventOf(message(`type='${type}'`))],
    ),
    [
      'has no text',
      eventOf(message("type='chat'", "<composing xmlns='http://jabber.org/protocol/chatstates'/>")),
    ],
    ['has an empty text', eventOf(message("type='chat'", '<body/>'))],
    [
      'has a text of XHTML only',
      eventOf(message("type='chat'", "<body xmlns='http://www.w3.org/1999/xhtml'>x</body>")),
    ],
    ['is no message', eventOf("<presence from='a@x.example' type='chat'><body>Hi</body></presence>")],
    ['is an iq', eventOf("<iq from='a@x.example' to='b@y.example' type='chat'><body>Hi</body></iq>")],
  ])('sends nothing that %s', (_what, event) => {
    expect(isSentChat(event)).toBe(false);
  });

  it('says what it sends', () => {
    expect(form).toMatchObject({ contentType: 'application/x-www-form-urlencoded' });
    expect(form.headers).toBeUndefined();
  });

  it('gives author, server, receiver and message, in this order', () => {
    expect(bodyOf({})).toBe('author=a&server=x.example&receiver=b&message=Hi');
    expect(bodyOf({ sender: 'alice', host: 'localhost', receiver: 'bob', message: 'Hi, Bob!' })).toBe(
      'author=alice&server=localhost&receiver=bob&message=Hi%2C+Bob%21',
    );
    expect(bodyOf({ sender: '', host: 'localhost', receiver: '', message: '' })).toBe(
      'author=&server=localhost&receiver=&message=',
    );
  });

  it('leaves only A-Z a-z 0-9 - . _ bare, and writes a space as +', () => {
    const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));
    for (const character of ascii) {
      const hex = character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
      const encoded = /[\w.-]/.test(character) ? character : character === ' ' ? '+' : `%${hex}`;
      expect(bodyOf({ message: character })).toMatch(
        new RegExp(`&message=${encoded.replace(/[+.]/, '\\$&')}$`),
      );
    }
  });

  it('encodes every field, so that no text makes a field of its own', () => {
    const odd = 'a&b=c+%20é☺';
    const encoded = 'a%26b%3Dc%2B%2520%C3%A9%E2%98%BA';
    expect(bodyOf({ sender: odd, host: odd, receiver: odd, message: odd })).toBe(
      `author=${encoded}&server=${encoded}&receiver=${encoded}&message=${encoded}`,
    );
  });

  it('gives a form that reads back as what went in, whatever that is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 3, maxLength: 3 }),
        ([from = '', to = '', text = '']) => {
          const body = String(bodyOf({ sender: from, host: 'h', receiver: to, message: text }));
          expect(body).toMatch(/^[\w.+%=&-]*$/);
          expect([...new URLSearchParams(body)]).toEqual([
            ['author', from],
            ['server', 'h'],
            ['receiver', to],
            ['message', text],
          ]);
        },
      ),
    );
  });
});
