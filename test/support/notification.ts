import type { Notification } from '../../src/core/delivery.ts';

let made = 0;

/** A notification with an id of its own, like any other but for the changes. */
export function notification(changes: Partial<Notification> = {}): Notification {
  made += 1;
  return {
    id: `id-${made}`,
    backend: 'chats',
    pool: 'http_pool',
    sender: 'alice@example.com',
    receiver: 'bob@example.com',
    host: 'example.com',
    path: '/notifications',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'author=alice&server=example.com&receiver=bob&message=Hi%2C+Bob%21',
    acceptedAtMs: 0,
    ...changes,
  };
}
