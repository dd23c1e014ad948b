import type { Lease, Outbox } from '../../src/core/outbox.ts';
import type { RetryPolicy } from '../../src/core/retry-policy.ts';
import type { OutboxOptions, OutboxStore, OutboxPorts } from '../../src/core/outbox-store.ts';
import { type ChosenEngine, type EngineName, engines } from '../../src/outbox/engines/index.ts';

/** What a test may change about an outbox. */
export type OutboxChanges = Partial<Omit<OutboxOptions, 'retry'>> & { readonly retry?: Partial<RetryPolicy> };

/** Options of an outbox in which nothing is scarce but what a test changes. */
export function outboxOptions({ retry, ...changes }: OutboxChanges = {}): OutboxOptions {
  return {
    pool: 'http_pool',
    capacity: 1000,
    whenFull: 'drop_newest',
    workers: Infinity,
    backends: ['chats'],
    ...changes,
    retry: {
      firstDelayMs: 1000,
      maxDelayMs: 600_000,
      maxAgeMs: 86_400_000,
      order: 'sender',
      statuses: [429, '5xx'],
      ...retry,
    },
  };
}

/** An engine with its default options, as a configuration file in `folder` chooses it. */
export function chosenFor(name: EngineName, folder: string): ChosenEngine {
  return engines[name].schema(folder).parse({});
}

/** A store of the engine memory, for tests of what works with one. */
export function memoryStore(ports: OutboxPorts): Promise<OutboxStore> {
  return engines.memory.with({}).open({ deadLetterCapacity: 0 }, ports);
}

/** The outbox of one pool in such a store. */
export async function memoryOutbox(options: OutboxOptions, ports: OutboxPorts): Promise<Outbox> {
  return (await memoryStore(ports)).outbox(options);
}

/** Waits for a lease of one notification; undefined once leasing was stopped. */
export async function leaseOne(outbox: Outbox): Promise<Lease | undefined> {
  const [lease] = await outbox.lease(1);
  return lease;
}
