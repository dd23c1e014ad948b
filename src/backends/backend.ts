import type { CallbackModule, CallbackOptions } from '../core/callback.ts';
import type { Payload } from './payloads/payload.ts';

/** A configured backend with its callback module loaded. */
export interface Backend {
  readonly name: string;
  /** Tag of the outgoing pool. */
  readonly poolName: string;
  readonly path: string;
  /** The functions of its callback module; defaults replace those that it lacks. */
  readonly callbacks: CallbackModule;
  /** Makes headers and body where no callback does. */
  readonly payload: Payload;
  /** What callbacks get beside the event. */
  readonly options: CallbackOptions;
}
