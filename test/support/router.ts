import { onTestFinished } from 'vitest';
import { payloads } from '../../src/backends/payloads/index.ts';
import type { Payload } from '../../src/backends/payloads/payload.ts';
import { Router } from '../../src/backends/router.ts';
import type { CallbackModule } from '../../src/core/callback.ts';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import type { Notification } from '../../src/core/delivery.ts';
import type { StanzaEvent } from '../../src/core/event.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { CallbackName } from '../../src/core/callback-names.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import type { OutboxStore, OutboxPorts } from '../../src/core/outbox-store.ts';
import { ManualClock } from './clock.ts';
import { expectLedgerBalanced } from './ledger.ts';
import { leaseOne, memoryStore, type OutboxChanges, outboxOptions } from './outbox.ts';
import { eventOf } from './stanza.ts';

export interface BackendSetting extends CallbackModule {
  readonly name?: string;
  readonly pool?: string;
  readonly path?: string;
  /** Default: the form. */
  readonly payload?: Payload;
}

interface Setting {
  readonly pools?: readonly string[];
  readonly callbackTimeoutMs?: number;
  readonly entered?: (backend: number, callback: CallbackName) => void;
  /** Default: `id-1`, `id-2`, … */
  readonly makeId?: () => string;
  /** Puts something between router and outbox. */
  readonly wrap?: (outbox: Outbox) => Outbox;
  /** Under the outboxes; default: of the engine memory. */
  readonly openStore?: (ports: OutboxPorts) => Promise<OutboxStore>;
  /** What is special about each outbox. */
  readonly outbox?: OutboxChanges;
}

/** A router with real outboxes; at the end of the test the ledger must balance. */
export async function openRouter(backends: readonly BackendSetting[], setting: Setting = {}) {
  let ids = 0;
  const {
    pools = ['http_pool'],
    callbackTimeoutMs = 5000,
    wrap = (outbox) => outbox,
    entered = () => undefined,
    makeId = () => `id-${(ids += 1)}`,
    openStore = memoryStore,
    outbox: changes = {},
  } = setting;
  const clock = new ManualClock(1_700_000_000_000);
  const ledger = new Ledger();
  const observed: Observation[] = [];
  const ports = {
    clock,
    ledger,
    observe: (observation: Observation) => void observed.push(observation),
  };
  const options = { capacity: 1_000_000, retry: { order: 'strict' }, ...changes } as const;
  const store = await openStore(ports);
  const outboxes = new Map(pools.map((pool) => [pool, store.outbox(outboxOptions({ pool, ...options }))]));
  await store.start(() => Promise.resolve());
  const lanes = new Map([...outboxes].map(([pool, outbox]) => [pool, { pool, outbox: wrap(outbox) }]));
  const buried: DeadLetter[] = [];
  const deadLetters = {
    bury: (letter: DeadLetter) => {
      buried.push(letter);
      return store.bury(letter);
    },
  };
  const router = new Router(
    {
      backends: backends.map(
        ({
          name = 'chats',
          pool = 'http_pool',
          path = '/notifications',
          payload = payloads.form,
          ...callbacks
        }) => ({
          name,
          poolName: pool,
          path,
          callbacks,
          payload,
          options: { pool_name: pool, path, extra: name },
        }),
      ),
      callbackTimeoutMs,
      laneOf: (tag, host) => lanes.get(`${tag}@${host}`) ?? lanes.get(tag),
    },
    { ...ports, deadLetters, makeId, entered },
  );
  onTestFinished(() =>
    expectLedgerBalanced(ledger, ...[...outboxes.values()].map((outbox) => outbox.counts())),
  );
  return {
    router,
    clock,
    ledger,
    outboxes,
    store,
    observed,
    take: (event: StanzaEvent, size = 100): void => void router.take(event, size),
    /** The same, for tests that want to know what becomes of the event. */
    offer: (event: StanzaEvent, size = 100) => router.take(event, size),
    /** Delivers all that has been accepted so far, in the order in which it was accepted. */
    deliver: async (pool = 'http_pool') => {
      const outbox = outboxes.get(pool);
      const delivered: Notification[] = [];
      while (outbox !== undefined && outbox.counts().waiting > 0) {
        const delivery = await leaseOne(outbox);
        if (delivery === undefined) break;
        delivered.push(delivery.notification);
        await delivery.settle({ kind: 'delivered' });
      }
      return delivered;
    },
    letters: () => buried,
    failures: () =>
      observed.flatMap((observation) =>
        observation.kind === 'callback-failed' ? [`${observation.backend} ${observation.callback}`] : [],
      ),
  };
}

export function chat(text: string, from = 'alice@example.com/Desk'): StanzaEvent {
  return eventOf(`<message from='${from}' to='bob@example.com' type='chat'><body>${text}</body></message>`);
}
