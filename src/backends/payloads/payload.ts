import type { StanzaEvent } from '../../core/event.ts';
import type { Schema } from '../../schema/section.ts';

/** A payload format: what a request says of an event, where no callback says it. */
export interface Payload {
  /** The value of the header `content-type` (RFC 9110, section 8.3). */
  readonly contentType: string;
  /**
   * Headers made from an event, beside `content-type`.
   * @param id The `webhook-id` of the notification.
   */
  readonly headers?: (event: StanzaEvent, id: string) => Readonly<Record<string, string>>;
  /** The body made from an event. What throws makes a dead letter, as a callback does. */
  readonly body: (event: StanzaEvent, id: string) => string | Uint8Array;
  /**
   * The schema of the format's own options, if it has any; it gives the format as they shape it. A backend's `options`
   * are for callbacks and are not these.
   */
  readonly options?: Schema<Payload>;
}
