import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { sidecarLines } from '../support/pages.ts';
import { type ReceivedRequest, type Receiver, startReceiver } from '../support/receiver.ts';
import { describeWithServer } from '../support/servers/availability.ts';
import type { Client } from '../support/servers/client.ts';
import { startEjabberd } from '../support/servers/ejabberd.ts';
import { startProsody } from '../support/servers/prosody.ts';
import {
  COMPONENT,
  COMPONENT_SECRET,
  forTests,
  ROOMS,
  type RunningServer,
  type ServerName,
  type StartServer,
  type TapKind,
} from '../support/servers/server.ts';
import { type RunningSidecar, startSidecar } from '../support/sidecar.ts';
import { containing } from '../support/servers/xml-stream.ts';

interface SetUp {
  readonly server: ServerName;
  readonly start: StartServer;
  readonly tap: TapKind;
  readonly sidecarTap: 'forwarded' | 'service_log';
  /** Whether the recipe hands on messages of type groupchat. */
  readonly seesGroupchat: boolean;
}

const setUps: readonly SetUp[] = [
  { server: 'prosody', start: startProsody, tap: 'module', sidecarTap: 'forwarded', seesGroupchat: true },
  { server: 'prosody', start: startProsody, tap: 'firewall', sidecarTap: 'forwarded', seesGroupchat: false },
  { server: 'ejabberd', start: startEjabberd, tap: 'module', sidecarTap: 'forwarded', seesGroupchat: true },
  {
    server: 'ejabberd',
    start: startEjabberd,
    tap: 'service_log',
    sidecarTap: 'service_log',
    seesGroupchat: true,
  },
];

/** Posts every message that a local user sent, whatever its type, beside what the default callback makes of it. */
const everyMessage = `
export const shouldMakeReq = ({ dir, packet }) => dir === 'in' && packet.is('message');
export const prepareHeaders = () => ({ 'content-type': 'application/json' });
export const prepareBody = ({ packet, from, to, message }) =>
  JSON.stringify({ type: packet.attrs.type, from: String(from), to: String(to), message });
`;

for (const { server: name, start, tap, sidecarTap, seesGroupchat } of setUps) {
  describeWithServer(name, `users' messages become notifications, with the tap ${tap}`, () => {
    let server: RunningServer;
    let receiver: Receiver;
    let sidecar: RunningSidecar;
    let alice: Client;
    let bob: Client;

    const startThisSidecar = (): Promise<RunningSidecar> =>
      startSidecar(configurationFor(server, receiver, sidecarTap), {
        files: { 'every-message.mjs': everyMessage },
      });

    beforeAll(async () => {
      server = await start({ tap });
      receiver = await startReceiver();
      sidecar = await startThisSidecar();
      await sidecar.logged('component-online');
      [alice, bob] = await Promise.all([server.login('alice', 'Desk'), server.login('bob', 'phone')]);
      await Promise.all([alice.presence(), bob.presence()]);
    });

    afterAll(async () => {
      await sidecar?.stop();
      await receiver?.stop();
      await server?.stop();
    });

    /** All requests to this path from one sender, up to a marker sent now: whatever came before it has come by then. */
    async function sentBefore(sender: Client, path: string): Promise<readonly ReceivedRequest[]> {
      const marker = `marker-${crypto.randomUUID()}`;
      const first = receiver.requests.length;
      return collect(first, marker, () => chat(sender, 'erin@localhost', marker), path);
    }

    /** Does something, then sends a marker, and gives the requests between. */
    async function requestsOf(
      sender: Client,
      path: '/chats' | '/all',
      action: () => void | Promise<void>,
    ): Promise<readonly ReceivedRequest[]> {
      await sentBefore(sender, path);
      const first = receiver.requests.length;
      await action();
      const marker = `marker-${crypto.randomUUID()}`;
      return collect(first, marker, () => chat(sender, 'erin@localhost', marker), path);
    }

    async function collect(
      first: number,
      marker: string,
      sendMarker: () => void,
      path: string,
    ): Promise<readonly ReceivedRequest[]> {
      sendMarker();
      await Promise.all(
        ['/chats', '/all'].map((each) =>
          receiver.next((request) => request.path === each && request.body.includes(marker)),
        ),
      );
      return receiver.requests
        .slice(first)
        .filter((request) => request.path === path && !request.body.includes('marker-'));
    }

    const bodiesOf = async (sender: Client, action: () => void | Promise<void>): Promise<string[]> =>
      (await requestsOf(sender, '/chats', action)).map(({ body }) => body);

    it('notifies once of a chat to an online, an offline and an unknown user', async () => {
      const bodies = await bodiesOf(alice, () => {
        chat(alice, 'bob@localhost', 'Hi, Bob!');
        chat(alice, 'bob@localhost/phone', 'Hi, phone!');
        chat(alice, 'carol@localhost', 'For later');
        chat(alice, 'nobody@localhost', 'Anyone?');
      });
      expect(bodies).toEqual([
        'author=alice&server=localhost&receiver=bob&message=Hi%2C+Bob%21',
        'author=alice&server=localhost&receiver=bob&message=Hi%2C+phone%21',
        'author=alice&server=localhost&receiver=carol&message=For+later',
        'author=alice&server=localhost&receiver=nobody&message=Anyone%3F',
      ]);
      await bob.next(containing('Hi, Bob!'));
    });

    it('does not notify again when an offline message is handed out', async () => {
      await requestsOf(alice, '/all', () => chat(alice, 'dave@localhost', 'While you were away'));
      const requests = await requestsOf(alice, '/all', async () => {
        const dave = await server.login('dave', 'late');
        dave.send('<presence/>');
        await dave.next(containing('While you were away'));
        await dave.end();
      });
      expect(requests.map(({ body }) => body)).toEqual([]);
    });

    it('prepares mixed-case and non-ASCII addresses', async () => {
      const bodies = await bodiesOf(alice, () => {
        chat(alice, 'BoB@LocalHost/phone', 'Mixed');
        chat(alice, 'JU\u0308RGEN@localhost', 'Grüße 😀');
        chat(alice, 'Straße@localhost', 'sharp');
      });
      expect(bodies).toEqual([
        'author=alice&server=localhost&receiver=bob&message=Mixed',
        'author=alice&server=localhost&receiver=j%C3%BCrgen&message=Gr%C3%BC%C3%9Fe+%F0%9F%98%80',
        'author=alice&server=localhost&receiver=strasse&message=sharp',
      ]);
    });

    it('notifies of what a user sends to a room once, not of what the room sends to its occupants', async () => {
      const room = `room@${ROOMS}`;
      await alice.join(room, 'alice');
      await bob.join(room, 'bob');
      const requests = await requestsOf(alice, '/all', async () => {
        alice.send(`<message to='${room}' type='groupchat' id='g1'><body>Hello, room</body></message>`);
        await bob.next(containing('Hello, room'));
        await alice.next(containing('Hello, room'));
      });
      const expected = { type: 'groupchat', from: 'alice@localhost/Desk', to: room, message: 'Hello, room' };
      expect(requests.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
        seesGroupchat ? [expected] : [],
      );
    });

    it('notifies once of a chat between users with two resources and carbons each', async () => {
      const [tablet, laptop] = await Promise.all([
        server.login('alice', 'tablet'),
        server.login('bob', 'laptop'),
      ]);
      await Promise.all([tablet.presence(), laptop.presence()]);
      await Promise.all([alice, bob, tablet, laptop].map((client) => client.enableCarbons()));
      const requests = await requestsOf(alice, '/all', async () => {
        chat(alice, 'bob@localhost/phone', 'To one of your devices');
        chat(alice, 'bob@localhost', 'To all of your devices');
        await laptop.next(containing('To all of your devices'));
        await tablet.next(containing('To all of your devices'));
      });
      expect(requests.map(({ body }) => (JSON.parse(body) as { message: string }).message)).toEqual([
        'To one of your devices',
        'To all of your devices',
      ]);
      await Promise.all([tablet.end(), laptop.end()]);
    });

    it('does not believe an envelope that a user forges', async () => {
      const inner = `<message xmlns='jabber:client' from='bob@localhost/phone' to='carol@localhost' type='chat'><body>Never said</body></message>`;
      const bodies = await bodiesOf(alice, () => {
        for (const address of [`sent@${COMPONENT}`, `received@${COMPONENT}`, COMPONENT]) {
          alice.send(
            `<message to='${address}'><forwarded xmlns='urn:xmpp:forward:0'>${inner}</forwarded></message>`,
          );
        }
      });
      expect(bodies).toEqual([]);
      expect(receiver.requests.filter(({ body }) => body.includes('Never'))).toEqual([]);
    });

    it('notifies once of a chat that is addressed to the component itself', async () => {
      const bodies = await bodiesOf(alice, () => chat(alice, `bot@${COMPONENT}`, 'Hi, bot'));
      expect(bodies).toEqual(['author=alice&server=localhost&receiver=bot&message=Hi%2C+bot']);
    });

    it('goes on after the server was restarted, and after it was itself', async () => {
      const before = sidecar.lines.length;
      await server.restart();
      await sidecar.logged('component-online', (line) => sidecar.lines.indexOf(line) >= before);
      [alice, bob] = await Promise.all([server.login('alice', 'Desk'), server.login('bob', 'phone')]);
      expect(await bodiesOf(alice, () => chat(alice, 'bob@localhost', 'After the restart'))).toEqual([
        'author=alice&server=localhost&receiver=bob&message=After+the+restart',
      ]);
      expect(await sidecar.stop()).toBe(0);
      await bob.presence();
      chat(alice, 'bob@localhost', 'While the sidecar is away');
      await bob.next(containing('While the sidecar is away'));
      await alice.settled();
      // mod_firewall returns an error to the sender while the component is away: its page says so.
      if (tap !== 'firewall') {
        expect(alice.received.filter((stanza) => stanza.includes("type='error'"))).toEqual([]);
      }
      sidecar = await startThisSidecar();
      await sidecar.logged('component-online');
      expect(await bodiesOf(alice, () => chat(alice, 'bob@localhost', 'Back again'))).toEqual([
        'author=alice&server=localhost&receiver=bob&message=Back+again',
      ]);
    });

    it('goes on after the server was killed in the middle of a burst, in order and with nothing twice', async () => {
      const texts = Array.from({ length: 500 }, (_, index) => `burst-${index}.`);
      for (const text of texts) chat(alice, 'bob@localhost', text);
      await receiver.next(({ path, body }) => path === '/chats' && body.includes('burst-'));
      const before = sidecar.lines.length;
      await server.kill();
      await server.restart();
      await sidecar.logged('component-online', (line) => sidecar.lines.indexOf(line) >= before);
      [alice, bob] = await Promise.all([server.login('alice', 'Desk'), server.login('bob', 'phone')]);
      expect(await bodiesOf(alice, () => chat(alice, 'bob@localhost', 'After the kill'))).toEqual([
        'author=alice&server=localhost&receiver=bob&message=After+the+kill',
      ]);
      const arrived = receiver.requests
        .filter(({ path, body }) => path === '/chats' && body.includes('burst-'))
        .map(({ body }) => body.replace(/.*message=/, ''));
      expect(arrived).toEqual(texts.slice(0, arrived.length));
    });

    it('notifies once in all when a second sidecar connects for the same domain', async () => {
      const second = await startThisSidecar();
      if (name === 'prosody') {
        const { reason } = await second.logged('component-offline');
        expect(reason).toContain('conflict');
      } else await second.logged('component-online');
      const texts = Array.from({ length: 40 }, (_, index) => `number-${index}.`);
      for (const text of texts) chat(alice, 'bob@localhost', text);
      const arrived = await Promise.all(
        texts.map((text) => receiver.next(({ path, body }) => path === '/chats' && body.endsWith(text))),
      );
      expect(arrived).toHaveLength(texts.length);
      await second.stop();
      await sentBefore(alice, '/chats');
      const bodies = receiver.requests.filter(
        ({ path, body }) => path === '/chats' && body.includes('number-'),
      );
      // mod_service_log's copies are spread over both, so that neither can tell a second copy from a first.
      if (tap !== 'service_log') expect(new Set(bodies.map(({ body }) => body)).size).toBe(bodies.length);
    });

    it('accounts for every stanza', async () => {
      await sentBefore(alice, '/chats');
      const { sum } = await sidecar.metrics();
      expect(sum('event_pusher_stanzas_total')).toBe(
        sum('event_pusher_events_total') + sum('event_pusher_discarded_total'),
      );
      expect(sum('event_pusher_internal_errors_total')).toBe(0);
    });

    /** Starts the sidecar with a mistake in the component's section; resolves when it has had two copies and a direct message. */
    async function chatWithMistake(mistake: object): Promise<void> {
      await sidecar.stop();
      const right = configurationFor(server, receiver, sidecarTap);
      sidecar = await startSidecar(
        { ...right, component: { ...right.component, ...mistake } },
        { files: { 'every-message.mjs': everyMessage } },
      );
      await sidecar.logged('component-online');
      for (const text of ['one', 'two']) chat(alice, 'bob@localhost', text);
      const marker = crypto.randomUUID();
      chat(alice, `bot@${COMPONENT}`, marker);
      await receiver.next(({ path, body }) => path === '/chats' && body.includes(marker));
    }

    it('names the tap to configure when another one is, and counts each copy as direct', async () => {
      await chatWithMistake({ taps: [sidecarTap === 'forwarded' ? 'service_log' : 'forwarded', 'direct'] });
      const named = sidecar.lines.filter(({ event }) => event === 'tap-not-configured');
      expect(named).toMatchObject([{ level: 'warn', tap: sidecarTap, domain: 'localhost' }]);
      const { sum } = await sidecar.metrics();
      expect(sum('event_pusher_stanzas_total', { tap: 'direct' })).toBeGreaterThanOrEqual(3);
      expect(sum('event_pusher_stanzas_total', { tap: 'direct' })).toBe(sum('event_pusher_stanzas_total'));
      expect(sum('event_pusher_discarded_total')).toBe(0);
    });

    it('names the domain to trust when the configuration has it wrong, and notifies of nothing', async () => {
      await chatWithMistake({ trusted_domains: ['lokalhost'] });
      const named = sidecar.lines.filter(({ event }) => event === 'untrusted-copy');
      expect(named).toMatchObject([{ level: 'warn', domain: 'localhost' }]);
      const { sum } = await sidecar.metrics();
      expect(sum('event_pusher_discarded_total', { reason: 'untrusted' })).toBeGreaterThanOrEqual(2);
      expect(sum('event_pusher_events_total')).toBe(1);
    });
  });
}

function chat(sender: Client, to: string, text: string): void {
  sender.send(`<message to='${to}' type='chat' id='${crypto.randomUUID()}'><body>${text}</body></message>`);
}

/** What the page about the server shows for this tap, and what it takes beside. */
function configurationFor(server: RunningServer, receiver: Receiver, tap: string) {
  const shown = parse(forTests(sidecarLines(server.name, tap))) as { component: object };
  return {
    component: {
      ...shown.component,
      service: `xmpp://127.0.0.1:${server.componentPort}`,
      secret: COMPONENT_SECRET,
    },
    outgoing_pools: [{ type: 'http', tag: 'http_pool', server: receiver.url, request_timeout: 20_000 }],
    mod_event_pusher: {
      backends: [
        { http: { pool_name: 'http_pool', path: '/chats' } },
        { http: { pool_name: 'http_pool', path: '/all', callback_module: './every-message.mjs' } },
      ],
    },
    telemetry: { listen: '127.0.0.1:0' },
  };
}
