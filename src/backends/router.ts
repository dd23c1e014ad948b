import { isPromise } from '../core/awaitable.ts';
import type { Clock } from '../core/clock.ts';
import type { DeadLetter, DeadLetters } from '../core/dead-letter.ts';
import { roughBytes } from '../core/delivery.ts';
import { PlainError } from '../core/errors.ts';
import type { StanzaEvent } from '../core/event.ts';
import type { Ledger } from '../core/ledger.ts';
import type { CallbackName } from '../core/callback-names.ts';
import type { Observe } from '../core/observation.ts';
import type { Outbox, PutResult } from '../core/outbox.ts';
import { type Acceptance, type EventSink, REFUSED, SAFE } from '../core/event-sink.ts';
import { UnderWay } from '../core/under-way.ts';
import { MemoryShare, weightOf } from './admission.ts';
import type { Backend } from './backend.ts';
import { BackendCaller, CallbackError, type RequestContent } from './callbacks/caller.ts';
import { detachedText } from './detached.ts';
import { letterOf, notificationOf, senderOf } from './notification.ts';
import { SenderOrder } from './order.ts';

export interface RouterOptions {
  readonly backends: readonly Backend[];
  readonly callbackTimeoutMs: number;
  /** The lane of that tag for the sender's host, else the global one. */
  readonly laneOf: (tag: string, host: string) => LaneOutbox | undefined;
}

/** A lane, as far as the router needs it: the outbox of an outgoing pool, under the pool's label. */
export interface LaneOutbox {
  readonly pool: string;
  readonly outbox: Outbox;
}

/** What the router needs from outside. */
export interface RouterPorts {
  readonly clock: Clock;
  readonly observe: Observe;
  readonly ledger: Ledger;
  readonly deadLetters: DeadLetters;
  readonly makeId: () => string;
  /** Called before each call of a callback module; `backend` is the index of its backend. */
  readonly entered: (backend: number, callback: CallbackName) => void;
}

/** A backend, and what belongs to it while the sidecar runs. */
interface RunningBackend {
  readonly backend: Backend;
  readonly caller: BackendCaller;
  readonly order: SenderOrder;
  readonly memory: MemoryShare;
  /** How many events it did not want. */
  declined: number;
}

/** An event that a backend perhaps wants. */
interface Offer {
  readonly running: RunningBackend;
  readonly event: StanzaEvent;
  /** The `webhook-id`. */
  readonly id: string;
}

/** A write under way, and its memory in bytes. */
interface Writing {
  readonly written: Promise<PutResult>;
  readonly bytes: number;
}

const NO_MEMORY = 'too much waits for its callbacks and its outbox';

/** Offers each event to every backend, in configuration order, and puts what they want into outboxes. */
export class Router implements EventSink {
  readonly #options: RouterOptions;
  readonly #ports: RouterPorts;
  readonly #running: readonly RunningBackend[];
  readonly #open = new UnderWay();

  constructor(options: RouterOptions, ports: RouterPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#running = options.backends.map((backend, index) => this.#run(backend, index));
    for (const { name } of options.backends) ports.ledger.entry(name);
  }

  #run(backend: Backend, index: number): RunningBackend {
    const { clock, observe, entered } = this.#ports;
    const caller = new BackendCaller(backend, {
      clock,
      limitMs: this.#options.callbackTimeoutMs,
      onEnter: (callback) => entered(index, callback),
      onNotTrue: (gave) => observe({ kind: 'callback-not-true', backend: backend.name, gave: typeof gave }),
    });
    const memory = new MemoryShare(this.#options.backends.length);
    return { backend, caller, order: new SenderOrder(), memory, declined: 0 };
  }

  /** How many offers of events to backends are not done yet. */
  get underWay(): number {
    return this.#open.count;
  }

  /** For each backend, how many events it did not want. */
  declined(): [backend: string, events: number][] {
    return this.#running.map(({ backend, declined }) => [backend.name, declined]);
  }

  /** False while every backend has as much under way as memory allows. */
  hasRoom(): boolean {
    return this.#running.length === 0 || this.#running.some(({ memory }) => memory.isLeft);
  }

  /** Resolves once nothing is under way any more. */
  settled(): Promise<void> {
    return this.#open.settled();
  }

  /** Offers an event to all backends. */
  take(event: StanzaEvent, size: number): Promise<Acceptance> {
    let acceptance = SAFE;
    for (const running of this.#running) {
      acceptance = both(acceptance, this.#offerIfRoom(running, event, size));
    }
    return acceptance;
  }

  #offerIfRoom(running: RunningBackend, event: StanzaEvent, size: number): Promise<Acceptance> {
    try {
      return running.memory.isLeft ? this.#offer(running, event, size) : this.#refuse(running);
    } catch (error) {
      // Whatever failed, the other backends are asked.
      return Promise.resolve(this.#tellError(error));
    }
  }

  /**
   * Offers an event of a dead letter to its backend again; resolves once it is accepted, unwanted, or dead again.
   * @throws PlainError while there is no room.
   */
  async redeliver(event: StanzaEvent, letter: DeadLetter): Promise<void> {
    const { id, backend: name, host } = letter.notification;
    const running = this.#running.find(({ backend }) => backend.name === name);
    if (running === undefined) return void (await this.#bury(letter));
    if (!running.memory.isLeft) throw new PlainError(NO_MEMORY);
    const { poolName } = running.backend;
    this.#expectRoom(this.#options.laneOf(poolName, host));
    const acceptance = await this.#offer(running, event, letter.stanza?.xml.length ?? 0, id);
    if (acceptance === 'refused') throw new PlainError(`the outbox of ${poolName} has not taken it`);
  }

  /**
   * Puts a notification that was a dead letter into its pool's outbox.
   * @throws PlainError while there is no room.
   */
  async putAgain(letter: DeadLetter): Promise<void> {
    const { notification } = letter;
    const { backends, laneOf } = this.#options;
    const tag = backends.find(({ name }) => name === notification.backend)?.poolName ?? notification.pool;
    const lane = laneOf(tag, notification.host);
    if (lane === undefined) return void (await this.#bury({ ...letter, reason: 'no-pool' }));
    this.#expectRoom(lane);
    const { pool, outbox } = lane;
    const result = await outbox.put({ ...notification, pool, acceptedAtMs: this.#ports.clock.now() });
    if (result === 'dropped') throw new PlainError(`the outbox of ${pool} has not taken it`);
  }

  #expectRoom(lane: LaneOutbox | undefined): void {
    if (lane === undefined || lane.outbox.hasRoom()) return;
    throw new PlainError(`the outbox of ${lane.pool} is full`);
  }

  /**
   * The way of one event through one backend: asked, prepared, given to an outbox in its sender's turn, written. Most
   * events are not wanted: these cost no promise.
   */
  #offer(running: RunningBackend, event: StanzaEvent, size: number, id?: string): Promise<Acceptance> {
    const { caller, order, memory } = running;
    const view = caller.viewOf(event);
    const wanted = caller.wants(view);
    if (wanted === false) {
      running.declined += 1;
      return SAFE;
    }
    const offer = { running, event, id: id ?? detachedText(this.#ports.makeId()) };
    const request = caller.request(view, wanted, offer.id);
    const writing = order.inTurn(
      () => senderOf(event),
      request,
      (made) => this.#write(offer, made),
    );
    if (!isPromise(writing)) return this.#open.track(this.#whileWritten(memory, writing));
    const weight = weightOf(event.packet, size, caller.copies);
    memory.take(weight);
    const acceptance = writing.then((there) => {
      // The stanza can go: only the notification waits for the disk.
      memory.giveBack(weight);
      return this.#whileWritten(memory, there);
    });
    return this.#open.track(acceptance);
  }

  #refuse(running: RunningBackend): Promise<Acceptance> {
    this.#tellFailure(running, new CallbackError('shouldMakeReq', new PlainError(NO_MEMORY)));
    return REFUSED;
  }

  async #whileWritten(memory: MemoryShare, writing: Writing | Acceptance): Promise<Acceptance> {
    if (typeof writing === 'string') return writing;
    const { written, bytes } = writing;
    memory.take(bytes);
    try {
      return (await written) === 'accepted' ? 'safe' : 'refused';
    } catch (error) {
      return this.#tellError(error);
    } finally {
      memory.giveBack(bytes);
    }
  }

  /** Begins to write what came of an offer, if anything did. Nothing here throws. */
  #write(offer: Offer, made: RequestContent | CallbackError | undefined): Writing | Acceptance {
    try {
      if (made instanceof CallbackError) return this.#buryFailed(offer, made);
      if (made !== undefined) return this.#put(offer, made);
      offer.running.declined += 1;
      return 'safe';
    } catch (error) {
      return this.#tellError(error);
    }
  }

  #buryFailed({ running, event, id }: Offer, failure: CallbackError): Writing {
    this.#tellFailure(running, failure);
    const { backend } = running;
    const pool = this.#options.laneOf(backend.poolName, event.host)?.pool ?? backend.poolName;
    const letter = letterOf(backend, event, { id, pool, acceptedAtMs: this.#ports.clock.now() });
    return { written: this.#bury(letter), bytes: roughBytes({ body: letter.stanza?.xml ?? '' }) };
  }

  /** Gives a request to the outbox of its pool. From here the outbox keeps the order. */
  #put({ running: { backend }, event, id }: Offer, content: RequestContent): Writing {
    const lane = this.#options.laneOf(backend.poolName, event.host);
    const pool = lane?.pool ?? backend.poolName;
    const acceptedAtMs = this.#ports.clock.now();
    const notification = notificationOf(backend, event, content, { id, pool, acceptedAtMs });
    const written =
      lane?.outbox.put(notification) ??
      this.#bury({ notification, reason: 'no-pool', diedAtMs: acceptedAtMs, attempts: 0 });
    return { written, bytes: roughBytes(notification) };
  }

  #bury(letter: DeadLetter): Promise<PutResult> {
    const { deadLetters, observe } = this.#ports;
    observe({ kind: 'notification-dead', notification: letter.notification, reason: letter.reason });
    return deadLetters.bury(letter);
  }

  #tellFailure({ backend }: RunningBackend, { callback, cause }: CallbackError): void {
    this.#ports.observe({ kind: 'callback-failed', backend: backend.name, callback, error: cause });
  }

  #tellError(error: unknown): 'refused' {
    this.#ports.observe({ kind: 'internal-error', where: 'router', error });
    return 'refused';
  }
}

/** What became of an event at two backends. */
function both(one: Promise<Acceptance>, other: Promise<Acceptance>): Promise<Acceptance> {
  if (one === SAFE) return other;
  if (other === SAFE) return one;
  return Promise.all([one, other]).then(([first, second]) => (first === 'safe' ? second : first));
}
