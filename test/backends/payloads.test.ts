import { describe, expect, it } from 'vitest';
import { defaultPayload, payloads } from '../../src/backends/payloads/index.ts';
import type { Payload } from '../../src/backends/payloads/payload.ts';
import { chat, openRouter } from '../support/router.ts';

const text: Payload = {
  contentType: 'text/plain; charset=utf-8',
  headers: ({ dir }, id) => ({ 'X-Direction': dir, 'x-id': id }),
  body: ({ sender, message }, id) => `${sender}: ${message} (${id})`,
};

/** The one request that a backend with these parts sends for a chat message. */
async function requestOf(backend: Parameters<typeof openRouter>[0][number]) {
  const { offer, deliver, letters } = await openRouter([backend]);
  await offer(chat('Hi'));
  const [notification] = await deliver();
  return { headers: notification?.headers, body: notification?.body, letters: letters() };
}

describe('a payload format', () => {
  it('makes headers and body of the request', async () => {
    expect(await requestOf({ payload: text })).toMatchObject({
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-direction': 'in', 'x-id': 'id-1' },
      body: 'alice: Hi (id-1)',
    });
  });

  it('keeps its headers where a callback makes the body', async () => {
    expect(await requestOf({ payload: text, prepareBody: () => 'mine' })).toMatchObject({
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-direction': 'in' },
      body: 'mine',
    });
  });

  it('keeps its body where a callback makes the headers', async () => {
    const { headers, body } = await requestOf({ payload: text, prepareHeaders: () => ({ 'x-mine': 'yes' }) });
    expect(headers).toEqual({ 'x-mine': 'yes' });
    expect(body).toBe('alice: Hi (id-1)');
  });

  it('may give bytes', async () => {
    const { body } = await requestOf({ payload: { ...text, body: () => new Uint8Array([0, 255]) } });
    expect(body).toEqual(new Uint8Array([0, 255]));
  });

  it.each([
    ['body', { body: () => expect.unreachable() }],
    ['headers', { headers: () => expect.unreachable() }],
    ['headers that HTTP forbids', { headers: () => ({ 'x a': '1' }) }],
  ])('that fails on one event (%s) makes a dead letter of it', async (_what, change: Partial<Payload>) => {
    const { body, letters } = await requestOf({ payload: { ...text, ...change } });
    expect(body).toBeUndefined();
    expect(letters).toMatchObject([{ reason: 'callback', stanza: { dir: 'in' } }]);
  });

  it('is the form of MongooseIM where none is named', () => {
    expect(defaultPayload).toBe(payloads.form);
  });
});
