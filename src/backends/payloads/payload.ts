import type { StanzaEvent } from '../../core/event.ts';

/** A payload format: what a request says of an event, where no callback says it. */
export interface Payload {
  /** The value of the header `content-type` (RFC 9110, section 8.3). */
  readonly contentType: string;
  /**
   * Headers made from an event, beside `content-type`; names in lower case.
   * @param id The `webhook-id` of the notification.
   */
  readonly headers?: (event: StanzaEvent, id: string) => Readonly<Record<string, string>>;
  /** The body made from an event. */
  readonly body: (event: StanzaEvent, id: string) => string | Uint8Array;
}
