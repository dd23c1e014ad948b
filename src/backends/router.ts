import type { DeadLetter } from '../core/dead-letter.ts';
import { roughBytes } from '../core/delivery.ts';
import { PlainError } from '../core/errors.ts';
import type { StanzaEvent } from '../core/event.ts';
import { UnderWay } from '../core/under-way.ts';
import { bareText, letterOf, notificationOf, type NotificationFrame } from './letters.ts';
import {
  type Backend,
  CallbackError,
  type CallbackLimit,
  callbackLimit,
  isThenable,
  prepareRequest,
  type PreparedRequest,
} from './request.ts';
import { type Hold, Room } from './room.ts';
import type { Destination, RouterOptions, RouterSurroundings } from './router-options.ts';
import { weightOf } from './weight.ts';

/** An event for which a backend has not said no. */
interface Offer {
  readonly backend: Backend;
  readonly event: StanzaEvent;
  /** The `webhook-id`. */
  readonly id: string;
  /** What `shouldMakeReq` gave: perhaps a promise. */
  readonly answer: unknown;
}

/** The end of a turn: the next notification of the same sender may follow. */
interface Turn {
  /** Resolves once the notification is as safe as its outbox promises. */
  readonly written: Promise<void> | undefined;
  /** About what waits in memory until then. */
  readonly bytes: number;
}

const NO_ROOM = 'too much waits for its callbacks and its outbox';
/** What callbacks and outboxes have under way may take this much memory, in equal shares for the backends. */
const MOST_UNDER_WAY_BYTES = 64 * 1024 * 1024;

/** Offers each event to every backend, in configuration order, and puts what they want into outboxes. */
export class Router {
  readonly #options: RouterOptions;
  readonly #surroundings: RouterSurroundings;
  readonly #limit: CallbackLimit;
  readonly #latest = new Map<string, Promise<unknown>>();
  readonly #open = new UnderWay();
  readonly #room: Room<Backend>;

  constructor(options: RouterOptions, surroundings: RouterSurroundings) {
    this.#options = options;
    this.#surroundings = surroundings;
    this.#room = new Room(MOST_UNDER_WAY_BYTES / options.backends.length);
    this.#limit = callbackLimit(options.callbackTimeoutMs, surroundings.clock);
    for (const { name } of options.backends) surroundings.ledger.entry(name);
  }

  /** How many callbacks and outboxes have not done yet with an event. */
  get underWay(): number {
    return this.#open.count;
  }

  /** False while every backend has as much under way as memory allows. */
  hasRoom(): boolean {
    const { backends } = this.#options;
    return backends.length === 0 || backends.some((backend) => this.#room.isThereFor(backend));
  }

  /** Offers an event to all backends; `size` is what its stanza took on the wire. */
  take(event: StanzaEvent, size: number): void {
    for (const backend of this.#options.backends) {
      const answer = this.#ask(backend, event);
      // Most stanzas end here: a refusal that is known at once costs no promise.
      if (answer === undefined) continue;
      void this.#offer({ backend, event, answer, id: this.#surroundings.makeId() }, size);
    }
  }

  /**
   * Offers an event of a dead letter to its backend again; resolves once it is accepted, unwanted, or dead again.
   * @throws PlainError while there is no room.
   */
  async redeliver(event: StanzaEvent, letter: DeadLetter): Promise<void> {
    const { id, backend: name } = letter.notification;
    const backend = this.#options.backends.find((one) => one.name === name);
    if (backend === undefined) return this.#bury(letter);
    if (!this.#room.isThereFor(backend)) throw new PlainError(NO_ROOM);
    const answer = this.#ask(backend, event);
    if (answer !== undefined) {
      await this.#offer({ backend, event, answer, id }, letter.stanza?.xml.length ?? 0);
    }
  }

  /**
   * Puts a notification that was a dead letter into its pool's outbox.
   * @throws PlainError while there is no room.
   */
  async putAgain(letter: DeadLetter): Promise<void> {
    const { notification } = letter;
    const { backends, destinationOf } = this.#options;
    const tag = backends.find(({ name }) => name === notification.backend)?.poolName ?? notification.pool;
    const destination = destinationOf(tag, notification.host);
    if (destination === undefined) return this.#bury({ ...letter, reason: 'no-pool' });
    if (!destination.outbox.hasRoom()) throw new PlainError(`the outbox of ${destination.pool} is full`);
    const acceptedAtMs = this.#surroundings.clock.now();
    await destination.outbox.put({ ...notification, pool: destination.pool, acceptedAtMs });
  }

  /** Resolves once nothing is under way any more. */
  settled(): Promise<void> {
    return this.#open.settled();
  }

  /** What `shouldMakeReq` says; undefined if that is no. */
  #ask(backend: Backend, event: StanzaEvent): unknown {
    if (!this.#room.isThereFor(backend)) {
      this.#observeFailure(backend, new CallbackError('shouldMakeReq', new PlainError(NO_ROOM)));
      return undefined;
    }
    try {
      const answer: unknown = backend.callback.shouldMakeReq(event, backend.options);
      return answer === true || isThenable(answer) ? answer : undefined;
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #offer(offer: Offer, size: number): Promise<void> {
    const { backend, event } = offer;
    const key = `${backend.name}\n${bareText(event.from)}`;
    const hold = this.#room.hold(backend, weightOf(event.packet, size));
    const turn = this.#takeTurn(offer, this.#latest.get(key));
    this.#latest.set(key, turn);
    return this.#open.track(this.#end(turn, key, hold));
  }

  async #end(turn: Promise<Turn>, key: string, hold: Hold): Promise<void> {
    try {
      const { written, bytes } = await turn;
      if (this.#latest.get(key) === turn) this.#latest.delete(key);
      // The stanza can go; only the notification waits for the disk.
      hold.changeTo(bytes);
      await written;
    } catch (error) {
      this.#surroundings.observe({ kind: 'internal-error', where: 'router', error });
    } finally {
      hold.changeTo(0);
    }
  }

  /**
   * Waits for `earlier`, the same sender's turn before this one, so that slow callbacks keep the order; the turn ends
   * when the outbox was given the notification, not when it has written it.
   */
  async #takeTurn(offer: Offer, earlier: Promise<unknown> | undefined): Promise<Turn> {
    const { backend, event, answer } = offer;
    let request: PreparedRequest | undefined;
    try {
      request = await prepareRequest(backend, event, answer, this.#limit);
    } catch (error) {
      this.#observeFailure(backend, error as CallbackError);
      const letter = letterOf(backend, event, this.#frame(offer));
      return { written: this.#bury(letter), bytes: roughBytes({ body: letter.stanza?.xml ?? '' }) };
    } finally {
      // Also if this one failed: the next one waits for no other than this.
      await earlier;
    }
    if (request === undefined) return { written: undefined, bytes: 0 };
    return { written: this.#accept(offer, request), bytes: roughBytes(request) };
  }

  #accept(offer: Offer, request: PreparedRequest): Promise<void> {
    const { backend, event } = offer;
    const destination = this.#destinationOf(offer);
    const notification = notificationOf(backend, event, request, this.#frame(offer));
    if (destination !== undefined) return destination.outbox.put(notification);
    return this.#bury({ notification, reason: 'no-pool', diedAtMs: notification.acceptedAtMs, attempts: 0 });
  }

  #destinationOf = ({ backend, event }: Offer): Destination | undefined =>
    this.#options.destinationOf(backend.poolName, event.host);

  #frame(offer: Offer): NotificationFrame {
    const pool = this.#destinationOf(offer)?.pool ?? offer.backend.poolName;
    return { id: offer.id, pool, acceptedAtMs: this.#surroundings.clock.now() };
  }

  #bury(letter: DeadLetter): Promise<void> {
    const { deadLetters, observe } = this.#surroundings;
    observe({ kind: 'notification-dead', notification: letter.notification, reason: letter.reason });
    return deadLetters.bury(letter);
  }

  #observeFailure({ name }: Backend, { callback, cause }: CallbackError): void {
    this.#surroundings.observe({ kind: 'callback-failed', backend: name, callback, error: cause });
  }
}
