import type { StanzaEvent } from './event.ts';

export type { Direction, Stanza, StanzaEvent } from './event.ts';
export type { Jid } from './jid.ts';

type Awaitable<T> = T | Promise<T>;

/** What every callback gets beside the event: the backend's pool and path, and its `options` as configured. */
export interface CallbackOptions {
  readonly pool_name: string;
  readonly path: string;
  readonly [option: string]: unknown;
}

/**
 * MongooseIM's three callbacks, complete. Each may be sync or async; one that throws, rejects or does not settle
 * within `callback_timeout` harms only its own backend's notification for that stanza.
 */
export interface CompleteCallbackModule {
  /** Decides whether this event deserves a request: only `true` sends. */
  shouldMakeReq(event: StanzaEvent, options: CallbackOptions): Awaitable<unknown>;
  /** Gives the headers of the request: names and values as HTTP allows them (RFC 9110, section 5). */
  prepareHeaders(event: StanzaEvent, options: CallbackOptions): Awaitable<Record<string, string>>;
  /** Gives the body of the request. */
  prepareBody(event: StanzaEvent, options: CallbackOptions): Awaitable<string | Uint8Array>;
}

/** What a module at `callback_module` may export, by name or as one default object; defaults fill the rest. */
export type CallbackModule = Partial<CompleteCallbackModule>;
