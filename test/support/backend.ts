import type { Backend } from '../../src/backends/backend.ts';
import { BackendCaller, CallbackError, type RequestContent } from '../../src/backends/callbacks/caller.ts';
import type { StanzaEvent } from '../../src/core/event.ts';
import { ManualClock } from './clock.ts';

/** What a backend makes of an event: whether it wants it, and the request, as if it did. */
export interface Made extends RequestContent {
  readonly isWanted: boolean;
}

/** Calls the callbacks of a backend; rejects with the `CallbackError` of one that fails. */
export async function callBackend(backend: Backend, event: StanzaEvent): Promise<Made> {
  const caller = new BackendCaller(backend, {
    clock: new ManualClock(),
    limitMs: 1000,
    onEnter: () => undefined,
    onNotTrue: () => undefined,
  });
  const view = caller.viewOf(event);
  const isWanted = await caller.wants(view);
  const content = await caller.request(view, true, 'id');
  if (isWanted instanceof CallbackError) throw isWanted;
  if (content instanceof CallbackError) throw content;
  return { isWanted, ...content! };
}
