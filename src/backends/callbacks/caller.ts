import { type Awaitable, isPromise } from '../../core/awaitable.ts';
import type { Clock } from '../../core/clock.ts';
import { PlainError } from '../../core/errors.ts';
import type { StanzaEvent } from '../../core/event.ts';
import { afterReading } from '../../node/clock.ts';
import type { CallbackName } from '../../core/callback-names.ts';
import type { Backend } from '../backend.ts';
import { detachedBody } from '../detached.ts';
import { isSentChat } from '../match/default.ts';
import { type HeaderCheck, headerCheck } from './headers.ts';
import { privateView } from './view.ts';

/** Headers and body of a request, as made from one event. */
export interface RequestContent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** A callback threw, rejected, did not settle in time, or gave something that cannot be sent. */
export class CallbackError extends Error {
  readonly callback: CallbackName;

  constructor(callback: CallbackName, cause: unknown) {
    super(`${callback} failed`, { cause });
    this.callback = callback;
  }
}

/** What callbacks need from outside. */
export interface CallerPorts {
  readonly clock: Clock;
  /** How long each callback may take, in milliseconds. */
  readonly limitMs: number;
  /** Called before each call of a callback module. */
  readonly onEnter: (callback: CallbackName) => void;
  /** Called with the first result of `shouldMakeReq` that counts as no, though it was perhaps meant as yes. */
  readonly onNotTrue: (response: unknown) => void;
}

/**
 * Calls the callbacks of one backend, or the defaults for those that its module does not have. Nothing here throws or
 * rejects: what failed is a `CallbackError`.
 */
export class BackendCaller {
  readonly #backend: Backend;
  readonly #ports: CallerPorts;
  readonly #contentHeaders: Readonly<Record<string, string>>;
  readonly #checkHeaders: HeaderCheck = headerCheck();
  readonly #hasModule: boolean;
  #isNotTrueTold = false;

  constructor(backend: Backend, ports: CallerPorts) {
    this.#backend = backend;
    this.#ports = ports;
    this.#contentHeaders = { 'content-type': backend.payload.contentType };
    this.#hasModule = Object.keys(backend.callbacks).length > 0;
  }

  /** How many copies of a stanza its callbacks may have made. */
  get copies(): 1 | 2 {
    return this.#hasModule ? 2 : 1;
  }

  /** The event as this backend gets it. The defaults change nothing, so that an event that nobody wants costs no copy. */
  viewOf(event: StanzaEvent): StanzaEvent {
    return this.#hasModule ? privateView(event) : event;
  }

  /** Whether the backend wants the event. Most events end here: a no without a wait costs no promise. */
  wants(view: StanzaEvent): Awaitable<boolean | CallbackError> {
    if (!this.#hasModule) return isSentChat(view);
    return this.#call('shouldMakeReq', view, () => isSentChat(view), this.#isTrue);
  }

  /**
   * Headers and body, once it is known whether the event is wanted; undefined if it is not.
   * @param id The `webhook-id` of the notification.
   */
  request(
    view: StanzaEvent,
    wanted: Awaitable<boolean | CallbackError>,
    id: string,
  ): Awaitable<RequestContent | CallbackError | undefined> {
    return unlessFailed(wanted, (isWanted) => {
      if (!isWanted) return undefined;
      return unlessFailed(this.#headers(view, id), (headers) =>
        unlessFailed(this.#body(view, id), (body) => ({ headers, body })),
      );
    });
  }

  #headers(view: StanzaEvent, id: string): Awaitable<RequestContent['headers'] | CallbackError> {
    const { payload } = this.#backend;
    const ours = (): RequestContent['headers'] =>
      payload.headers === undefined
        ? this.#contentHeaders
        : { ...this.#contentHeaders, ...payload.headers(view, id) };
    return this.#call('prepareHeaders', view, ours, this.#checkHeaders);
  }

  #body(view: StanzaEvent, id: string): Awaitable<RequestContent['body'] | CallbackError> {
    const { payload } = this.#backend;
    return this.#call('prepareBody', view, () => payload.body(view, id), checkBody);
  }

  /** What the module's callback gives, or else ours, checked. */
  #call<T>(
    name: CallbackName,
    view: StanzaEvent,
    ours: () => unknown,
    check: (value: unknown) => T,
  ): Awaitable<T | CallbackError> {
    const failed = (cause: unknown): CallbackError => new CallbackError(name, cause);
    const { callbacks, options } = this.#backend;
    try {
      if (callbacks[name] === undefined) return check(ours());
      this.#ports.onEnter(name);
      const value: unknown = callbacks[name](view, options);
      return isPromise(value) ? settledWithin(value, this.#ports).then(check).catch(failed) : check(value);
    } catch (error) {
      return failed(error);
    }
  }

  readonly #isTrue = (response: unknown): boolean => {
    if (response === true) return true;
    if (Boolean(response) && !this.#isNotTrueTold) {
      this.#isNotTrueTold = true;
      this.#ports.onNotTrue(response);
    }
    return false;
  };
}

/** Goes on with a value, unless it is a failure. */
function unlessFailed<T, R>(
  value: Awaitable<T | CallbackError>,
  goOn: (value: T) => Awaitable<R | CallbackError>,
): Awaitable<R | CallbackError> {
  const look = (there: T | CallbackError): Awaitable<R | CallbackError> =>
    there instanceof CallbackError ? there : goOn(there);
  return isPromise(value) ? value.then(look) : look(value);
}

/** Settles as the promise does, or rejects when the limit is over. */
function settledWithin(
  promise: Promise<unknown>,
  { clock, limitMs }: Pick<CallerPorts, 'clock' | 'limitMs'>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(new PlainError(`not settled after ${limitMs} ms`));
    const cancel = afterReading(clock, limitMs, giveUp);
    // The `then` of another library's thenable perhaps gives no promise.
    Promise.resolve(promise).then(resolve, reject).finally(cancel);
  });
}

function checkBody(body: unknown): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return detachedBody(body);
  throw new PlainError('it gave neither a string nor bytes');
}
