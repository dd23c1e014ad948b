import type { CallbackModule } from './callback.ts';

/** The callbacks of a module, in the order in which they are called. */
export const callbackNames = [
  'shouldMakeReq',
  'prepareHeaders',
  'prepareBody',
] as const satisfies readonly (keyof CallbackModule)[];
export type CallbackName = (typeof callbackNames)[number];
