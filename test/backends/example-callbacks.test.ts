import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadBackends } from '../../src/backends/callbacks/load.ts';
import type { Backend } from '../../src/backends/backend.ts';
import { Router } from '../../src/backends/router.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { StanzaEvent } from '../../src/core/event.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import { leaseOne, memoryOutbox, memoryStore, outboxOptions } from '../support/outbox.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import { eventOf } from '../support/stanza.ts';

const file = fileURLToPath(new URL('../../config/event-pusher.callbacks.yaml', import.meta.url));
const receivedAtMs = Date.parse('2026-11-23T18:44:56Z');
let configured: readonly Backend[];

beforeAll(async () => {
  const loaded = await loadConfiguration(file, { XMPP_COMPONENT_SECRET: 'secret' });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  const { backends, failures } = await loadBackends(loaded.configuration.backends);
  expect(failures).toEqual([]);
  configured = backends;
});

/** The requests that the example's backends make of an event. */
async function requestsFor(event: StanzaEvent, backends = configured) {
  const observed: Observation[] = [];
  const ports = {
    clock: new ManualClock(),
    ledger: new Ledger(),
    observe: (observation: Observation) => void observed.push(observation),
  };
  const outbox = await memoryOutbox(outboxOptions({ capacity: 10, retry: { order: 'strict' } }), ports);
  const router = new Router(
    { backends, callbackTimeoutMs: 5000, laneOf: (pool) => ({ pool, outbox }) },
    {
      ...ports,
      deadLetters: await memoryStore(ports),
      makeId: randomUUID,
      entered: () => undefined,
    },
  );
  await router.take(event, 100);
  const requests = [];
  while (outbox.counts().waiting > 0) {
    const delivery = await leaseOne(outbox);
    if (delivery === undefined) break;
    const { pool, path, headers, body } = delivery.notification;
    requests.push({ pool, path, type: headers['content-type'], body });
    await delivery.settle({ kind: 'delivered' });
  }
  expect(observed.filter(({ kind }) => kind !== 'notification-accepted')).toEqual([]);
  expectLedgerBalanced(ports.ledger, outbox.counts());
  return requests;
}

function message(text: string, attributes = "type='chat'", dir: 'in' | 'out' = 'in'): StanzaEvent {
  const addresses = "from='Alice@example.com/Desk' to='Bob@example.com/Phone'";
  return eventOf(`<message ${addresses} ${attributes}><body>${text}</body></message>`, dir, receivedAtMs);
}

/** The same backends with other options. */
function withOptions(name: string, options: Record<string, unknown>): Backend[] {
  return configured.map((backend) =>
    backend.name === name
      ? { ...backend, options: { pool_name: backend.poolName, path: backend.path, ...options } }
      : backend,
  );
}

describe('the example callback modules', () => {
  it('send what people write to /notifications', async () => {
    expect(await requestsFor(message('Hi, Bob!'))).toEqual([
      {
        pool: 'http_pool',
        path: '/notifications',
        type: 'application/json',
        body: JSON.stringify({
          from: 'alice@example.com',
          to: 'bob@example.com',
          type: 'chat',
          text: 'Hi, Bob!',
          time: '2026-11-23T18:44:56.000Z',
        }),
      },
    ]);
  });

  it('send what is alarming to /alerts, and only there', async () => {
    expect(await requestsFor(message('FIRE and flood, wildfire & more!'.replace('&', '&amp;')))).toEqual([
      {
        pool: 'http_pool',
        path: '/alerts',
        type: 'application/x-www-form-urlencoded',
        body: 'author=alice&server=example.com&receiver=bob&message=FIRE+and+flood%2C+wildfire+%26+more%21&words=fire+flood',
      },
    ]);
  });

  it.each([
    ['goes out to a user', message('fire', "type='chat'", 'out')],
    ['has no text', message('')],
    ['is a presence', eventOf("<presence from='alice@example.com/Desk'/>")],
    ['is an iq', eventOf("<iq from='alice@example.com/Desk' type='get'><body>fire</body></iq>")],
  ])('send nothing that %s', async (_what, event) => {
    expect(await requestsFor(event)).toEqual([]);
  });

  it('look at the types in the options: the example has chats and rooms', async () => {
    expect(await requestsFor(message('Hello room', "type='groupchat'"))).toHaveLength(1);
    expect(await requestsFor(message('News', "type='headline'"))).toEqual([]);
    expect(await requestsFor(message('Dear Bob', ''))).toEqual([]);
    expect(
      await requestsFor(message('Dear Bob', ''), withOptions('notifications', { types: ['normal'] })),
    ).toHaveLength(1);
    expect(await requestsFor(message('Hi'), withOptions('notifications', {}))).toHaveLength(1);
  });

  it('pass on as much of a text as the options say, without cutting a character', async () => {
    const [request] = await requestsFor(message('ab😀cd'), withOptions('notifications', { preview: 3 }));
    expect(JSON.parse(String(request?.body)).text).toBe('ab😀');
    const [long] = await requestsFor(message('x'.repeat(500)));
    expect(JSON.parse(String(long?.body)).text).toBe('x'.repeat(100));
  });

  it('alert when as many of the words occur as the options say', async () => {
    const backends = withOptions('alerts', { words: ['feuer', 'straße'], threshold: 2 });
    expect((await requestsFor(message('Feuer, Feuer!'), backends)).map(({ path }) => path)).toEqual([
      '/notifications',
    ]);
    expect((await requestsFor(message('Feuer in der Straße'), backends)).map(({ path }) => path)).toEqual([
      '/alerts',
    ]);
    expect((await requestsFor(message('fire'), withOptions('alerts', {}))).map(({ path }) => path)).toEqual([
      '/notifications',
    ]);
  });
});
