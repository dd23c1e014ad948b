import type { DeadLetter } from '../../core/dead-letter.ts';
import type { Notification } from '../../core/delivery.ts';
import type { RecordSummary } from '../records.ts';
import type { Operation } from './database.js';

/** A body of bytes in JSON. */
interface Base64 {
  readonly base64: string;
}

/** A notification as JSON, for a database that holds text. */
export function encodeNotification(notification: Notification): string {
  return JSON.stringify(plain(notification));
}

export function decodeNotification(text: string): Notification {
  return revived(JSON.parse(text) as Notification);
}

export function encodeLetter(letter: DeadLetter): string {
  return JSON.stringify({ ...letter, notification: plain(letter.notification) });
}

/** The operation that buries a letter. @param source The record that it was, if it was one, and how it is counted. */
export function burial(letter: DeadLetter, source: Pick<Burial, 'key' | 'ledger' | 'capacity'>): Burial {
  return { do: 'bury', id: letter.notification.id, letter: encodeLetter(letter), ...source };
}

type Burial = Extract<Operation, { do: 'bury' }>;

export function decodeLetter(text: string): DeadLetter {
  const letter = JSON.parse(text) as DeadLetter;
  return { ...letter, notification: revived(letter.notification) };
}

/** The stored form of a summary; an array, because it is read a million times at a start. */
type StoredSummary = readonly [
  pool: string,
  backend: string,
  sender: string,
  acceptedAtMs: number,
  attempts: number,
  dueAtMs: number,
  /** Packed (`last-attempt.ts`); only where something is known, and not in records of earlier versions. */
  last?: number,
];

/** @param dueAtMs Unix time in milliseconds; 0 if no attempt was made. */
export function encodeSummary(
  pool: string,
  { backend, sender, acceptedAtSeconds, attempts, last = 0 }: RecordSummary,
  dueAtMs: number,
): string {
  const summary: StoredSummary = [pool, backend, sender, acceptedAtSeconds * 1000, attempts, dueAtMs];
  return JSON.stringify(last === 0 ? summary : [...summary, last]);
}

export function decodeSummary(text: string): StoredSummary {
  return JSON.parse(text) as StoredSummary;
}

function plain(notification: Notification): object {
  const { body } = notification;
  if (typeof body === 'string') return notification;
  const base64 = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
  return { ...notification, body: { base64 } };
}

function revived(notification: Notification): Notification {
  const body = notification.body as string | Base64;
  if (typeof body === 'string') return notification;
  return { ...notification, body: new Uint8Array(Buffer.from(body.base64, 'base64')) };
}

/** Whether this bare JID sent or received what is stored; also true if the text is damaged and nobody can know. */
export function isOf(text: string, jid: string): boolean {
  try {
    const stored = JSON.parse(text) as DeadLetter | Notification;
    const { sender, receiver } = 'notification' in stored ? stored.notification : stored;
    return sender === jid || receiver === jid;
  } catch {
    return true;
  }
}
