import type { Clock } from '../core/clock.ts';
import type { Notification } from '../core/delivery.ts';
import { PlainError } from '../core/errors.ts';
import type { StanzaEvent } from '../core/event.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Observe } from '../core/observation.ts';
import type { Outbox } from '../core/outbox.ts';
import { ownText } from './own-copy.ts';
import { weightOf } from './weight.ts';
import {
  type Backend,
  CallbackError,
  type CallbackLimit,
  callbackLimit,
  isThenable,
  prepareRequest,
  type PreparedRequest,
} from './request.ts';

/** The outbox of one outgoing pool, under the pool's label. */
export interface Destination {
  readonly pool: string;
  readonly outbox: Outbox;
}

export interface RouterOptions {
  readonly backends: readonly Backend[];
  readonly callbackTimeoutMs: number;
  /** The pool of the sender's host with that tag, else the global one. */
  readonly destinationOf: (tag: string, host: string) => Destination | undefined;
}

/** What the router needs of its surroundings. */
export interface RouterSurroundings {
  readonly clock: Clock;
  readonly observe: Observe;
  readonly ledger: Ledger;
  readonly makeId: () => string;
}

/** An event for which a backend has not said no. */
interface Offer {
  readonly backend: Backend;
  readonly event: StanzaEvent;
  /** Bare JID. */
  readonly sender: string;
  /** What `shouldMakeReq` gave: perhaps a promise. */
  readonly answer: unknown;
}

/** What callbacks and outboxes have under way may take this much memory, in equal shares for the backends. */
const MOST_UNDER_WAY_BYTES = 64 * 1024 * 1024;

/** Offers each event to every backend, in configuration order, and puts what they want into outboxes. */
export class Router {
  readonly #options: RouterOptions;
  readonly #surroundings: RouterSurroundings;
  readonly #limit: CallbackLimit;
  readonly #latest = new Map<string, Promise<void>>();
  readonly #underWayBytes = new Map<Backend, number>();
  #underWay = 0;

  constructor(options: RouterOptions, surroundings: RouterSurroundings) {
    this.#options = options;
    this.#surroundings = surroundings;
    this.#limit = callbackLimit(options.callbackTimeoutMs, surroundings.clock);
    for (const { name } of options.backends) surroundings.ledger.entry(name);
  }

  /** How many callbacks and outboxes have not done yet with an event. */
  get underWay(): number {
    return this.#underWay;
  }

  /** False while every backend has as much under way as memory allows. */
  hasRoom(): boolean {
    const { backends } = this.#options;
    return backends.length === 0 || backends.some((backend) => this.#hasRoomFor(backend));
  }

  /** Offers an event to all backends; `size` is what its stanza took on the wire. */
  take(event: StanzaEvent, size: number): void {
    for (const backend of this.#options.backends) this.#offer(backend, event, size);
  }

  /** Resolves once nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#latest.size > 0) await Promise.all(this.#latest.values());
  }

  #offer(backend: Backend, event: StanzaEvent, size: number): void {
    let answer: unknown;
    try {
      if (!this.#hasRoomFor(backend)) throw new PlainError('too much waits for its callbacks and its outbox');
      answer = backend.callback.shouldMakeReq(event, backend.options);
      // Most stanzas end here: a refusal that is known at once costs no promise.
      if (answer !== true && !isThenable(answer)) return;
    } catch (error) {
      this.#failed(backend, new CallbackError('shouldMakeReq', error));
      return;
    }
    const sender = ownText(event.from.bare().toString());
    const key = `${backend.name}\n${sender}`;
    const weight = weightOf(event.packet, size);
    this.#hold(backend, weight, 1);
    const offer: Offer = { backend, event, sender, answer };
    const done = this.#notify(offer, this.#latest.get(key)).finally(() => {
      this.#hold(backend, -weight, -1);
      if (this.#latest.get(key) === done) this.#latest.delete(key);
    });
    this.#latest.set(key, done);
  }

  /** Waits for `earlier`, the same sender's notification before this one, so that slow callbacks keep the order. */
  async #notify(offer: Offer, earlier: Promise<void> | undefined): Promise<void> {
    const { backend, event, answer } = offer;
    try {
      const request = await prepareRequest(backend, event, answer, this.#limit);
      await earlier;
      if (request !== undefined) await this.#accept(offer, request);
    } catch (error) {
      if (error instanceof CallbackError) this.#failed(backend, error);
      else this.#surroundings.observe({ kind: 'internal-error', where: 'router', error });
    } finally {
      // Also if this one failed: the next one waits for no other than this.
      await earlier;
    }
  }

  async #accept({ backend, event, sender }: Offer, request: PreparedRequest): Promise<void> {
    const { clock, ledger, makeId, observe } = this.#surroundings;
    const destination = this.#options.destinationOf(backend.poolName, event.host);
    const notification: Notification = {
      id: makeId(),
      backend: backend.name,
      pool: destination?.pool ?? backend.poolName,
      sender,
      host: ownText(event.host),
      path: backend.path,
      headers: request.headers,
      body: request.body,
      acceptedAtMs: clock.now(),
    };
    if (destination !== undefined) return destination.outbox.put(notification);
    ledger.count(backend.name, 'accepted');
    ledger.count(backend.name, 'dead');
    observe({ kind: 'notification-dead', notification, reason: 'no-pool' });
  }

  /** One slow backend may not take the room of the others. */
  #hasRoomFor(backend: Backend): boolean {
    return (this.#underWayBytes.get(backend) ?? 0) < MOST_UNDER_WAY_BYTES / this.#options.backends.length;
  }

  #hold(backend: Backend, weight: number, count: 1 | -1): void {
    this.#underWayBytes.set(backend, (this.#underWayBytes.get(backend) ?? 0) + weight);
    this.#underWay += count;
  }

  #failed(backend: Backend, { callback, cause }: CallbackError): void {
    this.#surroundings.observe({ kind: 'callback-failed', backend: backend.name, callback, error: cause });
  }
}
