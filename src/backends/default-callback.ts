import type { CompleteCallbackModule } from '../core/callback.ts';
import { FORM_CONTENT_TYPE, formOf } from './form.ts';

/** What MongooseIM's default callback does: chats with a text that a local user sends, as a form. */
export const defaultCallback: CompleteCallbackModule = {
  shouldMakeReq: ({ dir, packet, message }) =>
    dir === 'in' && message !== '' && packet.attrs['type'] === 'chat' && packet.is('message'),
  prepareHeaders: () => ({ 'content-type': FORM_CONTENT_TYPE }),
  prepareBody: formOf,
};
