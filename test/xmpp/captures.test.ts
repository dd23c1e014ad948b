import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StanzaEvent } from '../../src/core/event.ts';
import { parseJid } from '../../src/core/jid.ts';
import { SAFE } from '../../src/core/event-sink.ts';
import { Ingest } from '../../src/xmpp/ingest.ts';
import { ManualClock } from '../support/clock.ts';
import { parseStanza } from '../support/stanza.ts';

const COMPONENT = 'push.localhost';
const folder = new URL('../data/captures/', import.meta.url);
const jidOf: Record<string, string> = { alice: 'alice@localhost/Desk', bob: 'bob@localhost/phone' };

/** E: ejabberd, P: Prosody. */
const columnNames: Record<string, string> = {
  'ejabberd component_tap': 'E tap',
  'ejabberd none': 'E none',
  'ejabberd service_log': 'E log',
  'prosody firewall-chat': 'P chat',
  'prosody firewall-forward': 'P fwd',
  'prosody module-all': 'P all',
  'prosody module-out': 'P sent',
  'prosody none': 'P none',
};

/**
 * Presences are the one thing that mod_service_log does not tell sent from received: a broadcast one is copied again
 * for each of its recipients (presence-initial: 2 sent, 4 events).
 */
const COUNTS = `
case                 E tap  E none   E log  P chat   P fwd   P all  P sent  P none
carbons-full         1+0-0       -   1+0-3   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-bare            1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-empty-body      1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-escapes         1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-full            1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-mixed-case      1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-no-id           1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-offline         1+0-0       -   1+0-0   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-spoofed-from        -       -   1+0-0   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-to-self         1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-unicode         1+0-0       -   1+0-0   1+0-0   1+1-0   1+1-0   1+0-0       -
chat-unknown-user    1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
chatstate            1+0-0       -   1+0-1       -   1+1-0   1+1-0   1+0-0       -
component-direct     3+0-3   3+0-1   3+0-5   3+0-3   3+0-5   3+0-5   3+0-3   3+0-1
component-forgery    1+0-1   1+0-0   1+0-1   1+0-0   1+0-1   1+0-1   1+0-1   1+0-0
error                1+0-0       -   1+0-1       -   1+1-0   1+1-0   1+0-0       -
headline             1+0-0       -   1+0-1       -   1+1-0   1+1-0   1+0-0       -
iq-server                -       -   1+0-1       -   1+0-0   1+1-0       -       -
iq-user                  -       -   2+0-2       -   2+0-0   2+2-0       -       -
large-1m                 -       -   1+0-0       -   2+0-0   2+2-0       -       -
large-256k           1+0-0   1+0-0   2+0-0   1+0-0   1+1-0   1+1-0   1+0-0       -
large-512k               -       -   1+0-0   1+0-0   4+0-1   4+3-1   1+0-0   1+0-0
large-64k            1+0-0       -   1+0-3   1+0-0   1+1-0   1+1-0   1+0-0       -
marker               1+0-0       -   1+0-1       -   1+1-0   1+1-0   1+0-0       -
muc-groupchat        1+0-0       -   1+0-2       -   1+2-0   1+2-0   1+0-0       -
muc-join                 -       -   3+0-9       -   3+2-0   3+6-0       -       -
muc-leave                -       -   2+0-5       -   2+0-0   2+3-0       -       -
muc-not-joined       1+0-0       -   1+0-1       -   1+0-0   1+0-0   1+0-0       -
muc-subject          1+0-0       -   1+0-2       -   1+2-0   1+2-0   1+0-0       -
normal               1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
offline-delivery         -       -   2+0-1       -   1+0-0   1+1-0       -       -
omemo                1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
presence-directed        -       -   1+0-1       -   1+0-0   1+1-0       -       -
presence-initial         -       -   4+0-0       -   2+0-0   2+2-0       -       -
presence-subscribe       -       -   3+0-5       -   4+0-0   4+4-0       -       -
receipt              2+0-0       -   2+0-2   1+0-0   2+2-0   2+2-0   2+0-0       -
remote-domain        1+0-0       -   1+0-1   1+0-0   1+1-0   1+1-0   1+0-0       -
unknown-type         1+0-0       -   1+0-1       -   1+1-0   1+1-0   1+0-0       -
`;

/** A message as a line: from > to, type, text. */
type MessageLine = string;

interface Capture {
  readonly mechanism: string;
  readonly caseName: string;
  /** What users wrote, in order. */
  readonly sent: readonly { by: string; text: string }[];
  readonly toComponent: readonly string[];
  readonly toUsers: readonly string[];
}

const captures = readdirSync(folder)
  .filter((name) => name.endsWith('.xml'))
  .toSorted()
  .map((name) => readCapture(readFileSync(new URL(name, folder), 'utf8')));

/** Reads a capture; it has the direction names of the experiment, the component's address those of the product. */
function readCapture(text: string): Capture {
  const renamed = text.replaceAll(`to='out@${COMPONENT}'`, `to='sent@${COMPONENT}'`);
  const renamedTwice = renamed.replaceAll(`to='in@${COMPONENT}'`, `to='received@${COMPONENT}'`);
  const [, server, mechanism, caseName] =
    /<capture [^>]*server='(.*?)' mechanism='(.*?)' case='(.*?)'>/.exec(text) ?? [];
  return {
    mechanism: `${server} ${mechanism}`,
    caseName: caseName ?? '',
    sent: contentsOf(renamedTwice, 'sent').map(({ tag, content }) => ({
      by: jidOf[/by='(.*?)'/.exec(tag)?.[1] ?? ''] ?? '',
      text: content,
    })),
    toComponent: contentsOf(renamedTwice, 'to-component').map(({ content }) => content),
    toUsers: contentsOf(renamedTwice, 'to-user').map(({ content }) => content),
  };
}

function contentsOf(text: string, wrapper: string): { tag: string; content: string }[] {
  const pattern = new RegExp(`<${wrapper} ([^>]*)>\\n(.*?)\\n</${wrapper}>`, 'gs');
  return [...text.matchAll(pattern)].map(([, tag = '', content = '']) => ({ tag, content }));
}

/** An ingest for all ways in which these servers copy; it goes on over several captures. */
function openReplay() {
  const events: StanzaEvent[] = [];
  const discarded: string[] = [];
  let received = 0;
  const ingest = new Ingest(
    {
      taps: ['forwarded', 'service_log', 'direct'],
      componentDomain: COMPONENT,
      trustedDomains: new Set(['localhost']),
      parseJid: prepare,
    },
    {
      hasRoom: () => true,
      take: (event) => {
        events.push(event);
        return SAFE;
      },
    },
    {
      clock: new ManualClock(),
      observe: (observation) => {
        if (observation.kind === 'stanza-received') received += 1;
        else if (observation.kind === 'stanza-discarded') discarded.push(observation.reason);
      },
    },
  );
  return (capture: Capture) => {
    events.length = 0;
    discarded.length = 0;
    received = 0;
    for (const text of capture.toComponent) ingest.onStanza(parseStanza(text), text.length);
    expect(received).toBe(capture.toComponent.length);
    expect(events.length + discarded.length).toBe(received);
    return { events: [...events], discarded: [...discarded] };
  };
}

const prepare = (text: string) => parseJid(text, () => undefined);

function messagesOf(events: readonly StanzaEvent[], dir: 'in' | 'out'): MessageLine[] {
  return events
    .filter((event) => event.dir === dir && event.packet.is('message'))
    .map(({ from, to, packet, message }) =>
      line(from.toString(), to.toString(), packet.attrs['type'], message),
    );
}

function line(from: string, to: string, type: string | undefined, message: string): MessageLine {
  return `${from} > ${to} ${knownType(type)}: ${message}`;
}

/** ejabberd leaves an unknown type out, which means normal as well (RFC 6121, section 5.2.2). */
function knownType(type: string | undefined): string {
  return ['chat', 'groupchat', 'headline', 'error'].includes(type ?? '') ? String(type) : 'normal';
}

/** The messages that the users of a capture wrote, as events are to tell them. */
function sentMessages({ sent }: Capture): MessageLine[] {
  return sent.flatMap(({ by, text }) => {
    const stanza = parseStanza(text);
    if (!stanza.is('message')) return [];
    const { to, type } = stanza.attrs;
    return [line(by, prepare(to ?? by).toString(), type, stanza.getChildText('body') ?? '')];
  });
}

/** Which of these the mechanism has no copy of: its own choice, or the server threw the user out for the stanza. */
function isCopied(capture: Capture, message: MessageLine): boolean {
  const { mechanism, caseName } = capture;
  if (mechanism.endsWith(' none')) return message.includes(COMPONENT);
  if (mechanism.startsWith('ejabberd')) {
    return !['chat-spoofed-from', 'large-256k', 'large-512k', 'large-1m'].includes(caseName);
  }
  if (['large-512k', 'large-1m'].includes(caseName)) return false;
  const hasBodyToChat = /(chat|normal): ./.test(message) && !message.includes('groupchat');
  return (
    mechanism !== 'prosody firewall-chat' ||
    hasBodyToChat ||
    // It looks for the element, not for its text; and what is addressed to the component arrives by itself.
    caseName === 'chat-empty-body' ||
    caseName === 'component-forgery'
  );
}

/** What goes out to local users: what users sent to them, and what comes for them from rooms and other servers. */
function receivedMessages(capture: Capture): MessageLine[] {
  const fromUsers = sentMessages(capture).filter(
    (message) => isCopied(capture, message) && /> \S+@localhost/.test(message),
  );
  const fromElsewhere = capture.toUsers
    .filter((text) => text.startsWith('<message'))
    .map((text) => parseStanza(text))
    // A room's error reply to a stranger goes another way in Prosody, and is not tapped.
    .filter(({ attrs }) => attrs['type'] !== 'error' || !attrs['from'].endsWith('@conference.localhost'))
    .map((stanza) => ({ stanza, from: prepare(stanza.attrs['from']) }))
    .filter(({ from }) => from.domain !== 'localhost')
    .map(({ stanza: { attrs, getChildText }, stanza, from }) =>
      line(from.toString(), attrs['to'], attrs['type'], getChildText.call(stanza, 'body') ?? ''),
    );
  return [...fromUsers, ...fromElsewhere];
}

const mechanisms = [...new Set(captures.map(({ mechanism }) => mechanism))];
const ofMechanism = (mechanism: string): [string, Capture][] =>
  captures.filter((capture) => capture.mechanism === mechanism).map((capture) => [capture.caseName, capture]);

describe.each(mechanisms)(
  'captured from %s: exactly the messages that users sent, once each',
  (mechanism) => {
    it.each(ofMechanism(mechanism))('%s', (_case, capture) => {
      const { events } = openReplay()(capture);
      expect(messagesOf(events, 'in')).toEqual(
        sentMessages(capture).filter((message) => isCopied(capture, message)),
      );
    });
  },
);

describe.each(['prosody module-all', 'prosody firewall-forward'])(
  'captured from %s: exactly the messages that go out to local users, once each',
  (mechanism) => {
    it.each(ofMechanism(mechanism))('%s', (_case, capture) => {
      const { events } = openReplay()(capture);
      expect(messagesOf(events, 'out').toSorted()).toEqual(receivedMessages(capture).toSorted());
    });
  },
);

describe.each(mechanisms.filter((name) => !/all|forward/.test(name)))('captured from %s', (mechanism) => {
  it('nothing goes out', () => {
    const replay = openReplay();
    for (const [, capture] of ofMechanism(mechanism))
      expect(messagesOf(replay(capture).events, 'out')).toEqual([]);
  });
});

it('tells the messages of mod_service_log apart even if all cases come at once', () => {
  const replay = openReplay();
  for (const [caseName, capture] of ofMechanism('ejabberd service_log')) {
    expect(messagesOf(replay(capture).events, 'in'), caseName).toEqual(
      sentMessages(capture).filter((message) => isCopied(capture, message)),
    );
  }
});

it('makes of every captured stanza what this table says: events in + events out - discarded', () => {
  expect(countTable()).toBe(COUNTS.trim());
});

/** A line for each case, a column for each mechanism; a dash: nothing reached the component. */
function countTable(): string {
  const cases = [...new Set(captures.map(({ caseName }) => caseName))].toSorted();
  const rows = cases.map((caseName) => [
    caseName,
    ...mechanisms.map((mechanism) => cellOf(mechanism, caseName)),
  ]);
  return [['case', ...mechanisms.map((name) => columnNames[name] ?? name)], ...rows]
    .map(([first = '', ...cells]) => first.padEnd(18) + cells.map((cell) => cell.padStart(8)).join(''))
    .join('\n');
}

function cellOf(mechanism: string, caseName: string): string {
  const [, capture] = ofMechanism(mechanism).find(([name]) => name === caseName) ?? [];
  if (capture === undefined) return '-';
  const { events, discarded } = openReplay()(capture);
  const ins = events.filter(({ dir }) => dir === 'in').length;
  return `${ins}+${events.length - ins}-${discarded.length}`;
}
