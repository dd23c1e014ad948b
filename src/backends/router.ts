import type { DeadLetter } from '../core/dead-letter.ts';
import { roughBytes } from '../core/delivery.ts';
import { PlainError } from '../core/errors.ts';
import type { StanzaEvent } from '../core/event.ts';
import { UnderWay } from '../core/under-way.ts';
import { defaultCallback } from './default-callback.ts';
import { isThenable } from './eventually.ts';
import { bareText, letterOf, notificationOf } from './letters.ts';
import { ownText } from './own-copy.ts';
import { ownView } from './own-view.ts';
import {
  type AskSettings,
  askSettings,
  type Backend,
  CallbackError,
  type Prepared,
  type PreparedRequest,
  prepareRequest,
} from './request.ts';
import { Room } from './room.ts';
import type { RouterOptions, RouterSurroundings } from './router-options.ts';
import { SenderOrder } from './sender-order.ts';
import { weightOf } from './weight.ts';

/** A backend and what the router keeps of it. */
interface Place {
  readonly backend: Backend;
  readonly settings: AskSettings;
  /** Whether its callbacks are all ours. */
  readonly isTrusted: boolean;
  /** How many events it did not want. */
  declined: number;
}

/** An event for which a backend has not said no. */
interface Offer {
  readonly place: Place;
  readonly event: StanzaEvent;
  /** The event as the callbacks of this backend get it. */
  readonly view: StanzaEvent;
  /** The `webhook-id`. */
  readonly id: string;
  /** What `shouldMakeReq` gave: perhaps a promise. */
  readonly answer: unknown;
}

/** What became of an offer, and about what it takes in memory until it is as safe as its outbox promises. */
type Given = { readonly written: Promise<unknown> | undefined; readonly bytes: number };

const NOTHING: Given = { written: undefined, bytes: 0 };
const NO_ROOM = 'too much waits for its callbacks and its outbox';
/** What callbacks and outboxes have under way may take this much memory, in equal shares for the backends. */
const MOST_UNDER_WAY_BYTES = 64 * 1024 * 1024;

/** Offers each event to every backend, in configuration order, and puts what they want into outboxes. */
export class Router {
  readonly #options: RouterOptions;
  readonly #surroundings: RouterSurroundings;
  readonly #places: readonly Place[];
  readonly #order = new SenderOrder();
  readonly #open = new UnderWay();
  readonly #room: Room<Backend>;

  constructor(options: RouterOptions, surroundings: RouterSurroundings) {
    this.#options = options;
    this.#surroundings = surroundings;
    this.#room = new Room(MOST_UNDER_WAY_BYTES / options.backends.length);
    this.#places = options.backends.map((backend, index) => this.#placeOf(backend, index));
    for (const { name } of options.backends) surroundings.ledger.entry(name);
  }

  #placeOf(backend: Backend, index: number): Place {
    const { clock, observe, entered } = this.#surroundings;
    const isTrusted = backend.callback === defaultCallback;
    const settings = askSettings(this.#options.callbackTimeoutMs, clock, {
      onEnter: isTrusted ? () => undefined : (callback) => entered(index, callback),
      onNotTrue: (gave) => observe({ kind: 'callback-not-true', backend: backend.name, gave: typeof gave }),
    });
    return { backend, settings, isTrusted, declined: 0 };
  }

  /** How many callbacks and outboxes have not done yet with an event. */
  get underWay(): number {
    return this.#open.count;
  }

  /** For each backend, how many events it did not want. */
  declined(): [backend: string, events: number][] {
    return this.#places.map(({ backend, declined }) => [backend.name, declined]);
  }

  /** False while every backend has as much under way as memory allows. */
  hasRoom(): boolean {
    const { backends } = this.#options;
    return backends.length === 0 || backends.some((backend) => this.#room.isThereFor(backend));
  }

  /** Offers an event to all backends; `size` is what its stanza took on the wire. */
  take(event: StanzaEvent, size: number): void {
    for (const place of this.#places) {
      try {
        const view = viewOf(event, place);
        const answer = this.#ask(place, view);
        // Most stanzas end here: a refusal that is known at once costs no promise.
        if (answer === undefined) continue;
        void this.#offer({ place, event, view, answer, id: ownText(this.#surroundings.makeId()) }, size);
      } catch (error) {
        // Whatever it was, the other backends get their turn.
        this.#observeFailure(place.backend, new CallbackError('shouldMakeReq', error));
      }
    }
  }

  /**
   * Offers an event of a dead letter to its backend again; resolves once it is accepted, unwanted, or dead again.
   * @throws PlainError while there is no room.
   */
  async redeliver(event: StanzaEvent, letter: DeadLetter): Promise<void> {
    const { id, backend: name } = letter.notification;
    const place = this.#places.find(({ backend }) => backend.name === name);
    if (place === undefined) return this.#bury(letter);
    if (!this.#room.isThereFor(place.backend)) throw new PlainError(NO_ROOM);
    const view = viewOf(event, place);
    const answer = this.#ask(place, view);
    if (answer !== undefined) {
      await this.#offer({ place, event, view, answer, id }, letter.stanza?.xml.length ?? 0);
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
    const result = await destination.outbox.put({ ...notification, pool: destination.pool, acceptedAtMs });
    if (result === 'dropped') throw new PlainError(`the outbox of ${destination.pool} has dropped it`);
  }

  /** Resolves once nothing is under way any more. */
  settled(): Promise<void> {
    return this.#open.settled();
  }

  /** What `shouldMakeReq` says; undefined if that is no. */
  #ask(place: Place, view: StanzaEvent): unknown {
    const { backend, settings } = place;
    if (!this.#room.isThereFor(backend)) {
      this.#observeFailure(backend, new CallbackError('shouldMakeReq', new PlainError(NO_ROOM)));
      return undefined;
    }
    try {
      settings.enter('shouldMakeReq');
      const answer: unknown = backend.callback.shouldMakeReq(view, backend.options);
      if (isThenable(answer) || settings.isTrue(answer)) return answer;
      place.declined += 1;
      return undefined;
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** Resolves once what came of the offer is safe; an offer with a slow callback holds up its sender's next ones. */
  #offer(offer: Offer, size: number): Promise<void> {
    const { event } = offer;
    const { backend, settings, isTrusted } = offer.place;
    const kind = (): string => `${backend.name}\n${bareText(event.from)}`;
    const prepared = prepareRequest(backend, offer.view, offer.answer, settings);
    const given = this.#order.inTurn(kind, prepared, (there) => this.#give(offer, there));
    return this.#open.track(
      isThenable(given)
        ? this.#whilePrepared(backend, weightOf(event.packet, size, isTrusted ? 1 : 2), given)
        : this.#whileWritten(backend, given),
    );
  }

  async #whilePrepared(backend: Backend, weight: number, turn: Promise<Given>): Promise<void> {
    this.#room.take(backend, weight);
    const given = await turn;
    // The stanza can go; only the notification waits for the disk.
    this.#room.giveBack(backend, weight);
    await this.#whileWritten(backend, given);
  }

  #whileWritten(backend: Backend, { written, bytes }: Given): Promise<void> {
    if (written === undefined) return Promise.resolve();
    this.#room.take(backend, bytes);
    return written.then(
      () => this.#room.giveBack(backend, bytes),
      (error: unknown) => {
        this.#room.giveBack(backend, bytes);
        this.#surroundings.observe({ kind: 'internal-error', where: 'router', error });
      },
    );
  }

  #give(offer: Offer, prepared: Prepared): Given {
    try {
      if (prepared !== undefined) return this.#accept(offer, prepared);
      offer.place.declined += 1;
      return NOTHING;
    } catch (error) {
      this.#surroundings.observe({ kind: 'internal-error', where: 'router', error });
      return NOTHING;
    }
  }

  /** Gives what was prepared to the outbox; from then on its place in the order is sure. */
  #accept(offer: Offer, prepared: PreparedRequest | CallbackError): Given {
    const { event, id } = offer;
    const { backend } = offer.place;
    const destination = this.#options.destinationOf(backend.poolName, event.host);
    const acceptedAtMs = this.#surroundings.clock.now();
    const frame = { id, pool: destination?.pool ?? backend.poolName, acceptedAtMs };
    if (prepared instanceof CallbackError) {
      this.#observeFailure(backend, prepared);
      const letter = letterOf(backend, event, frame);
      return { written: this.#bury(letter), bytes: roughBytes({ body: letter.stanza?.xml ?? '' }) };
    }
    const notification = notificationOf(backend, event, prepared, frame);
    const bytes = roughBytes(notification);
    if (destination !== undefined) return { written: destination.outbox.put(notification), bytes };
    const end = { reason: 'no-pool', diedAtMs: acceptedAtMs, attempts: 0 } as const;
    return { written: this.#bury({ notification, ...end }), bytes };
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

/** The default callback, which changes nothing, gets the event itself: one that nobody wants costs no copy. */
function viewOf(event: StanzaEvent, { isTrusted }: Place): StanzaEvent {
  return isTrusted ? event : ownView(event);
}
