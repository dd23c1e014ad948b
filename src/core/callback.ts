import type { Awaitable } from './awaitable.ts';
import type { StanzaEvent } from './event.ts';

export type { Direction, Stanza, StanzaEvent } from './event.ts';
export type { Jid } from './jid.ts';

/** What every callback gets beside the event: the backend's pool and path, and its `options` as configured. */
export interface CallbackOptions {
  /** Tag of the backend's outgoing pool. */
  readonly pool_name: string;
  /** The backend's path; '' if it has none. */
  readonly path: string;
  /** What stands under the backend's `options`, with YAML's types: look at it before you use it. */
  readonly [option: string]: unknown;
}

/**
 * What a module at `callback_module` exports: any of MongooseIM's three callbacks, by name or in one default object.
 * Each may give its result directly or as a promise.
 *
 * A callback fails when it throws, or gives something that cannot be sent. It also fails when its promise rejects or
 * does not settle within `callback_timeout`. Then its backend's notification of that stanza is kept as a dead letter;
 * other backends and other stanzas go on.
 */
export interface CallbackModule {
  /**
   * Whether the backend sends a notification of this event: only `true` sends.
   * Without it: messages of type chat with a text that a local user sends.
   */
  shouldMakeReq?(event: StanzaEvent, options: CallbackOptions): Awaitable<unknown>;
  /**
   * Headers of the request: names and values as HTTP allows them (RFC 9110, section 5). Those that frame the request
   * (`content-length`, `connection`, …) and `webhook-id` are left out. Without it: the headers of the backend's
   * payload, which by default are the `content-type` of a form.
   */
  prepareHeaders?(event: StanzaEvent, options: CallbackOptions): Awaitable<Record<string, string>>;
  /**
   * Body of the request: text, sent as UTF-8, or bytes. Without it: the body of the backend's payload, by default a
   * form with the fields author, server, receiver and message.
   */
  prepareBody?(event: StanzaEvent, options: CallbackOptions): Awaitable<string | Uint8Array>;
}
