import type { Notification } from '../core/delivery.ts';

/** What an earlier run left, as a store of records holds it. */
export interface Left {
  readonly key: number;
  readonly notification: Notification;
  readonly attempts: number;
  /** Unix time in milliseconds of the next attempt; undefined if none was made. */
  readonly dueAtMs: number | undefined;
}

/** The store under an outbox: it keeps records and decides nothing. */
export interface Records {
  /** Whether what is left at close is there when the store is opened again. */
  readonly keepsWhatIsLeft: boolean;
  /** What is there at the start, in the order in which it was accepted. */
  left(): Iterable<Left>;
  /** Resolves to the record's key once it is as safe as the store promises. */
  add(notification: Notification): Promise<number>;
  /** @throws Error if the record is not there or cannot be read. */
  read(key: number): Notification;
  /** @param dueAtMs Unix time in milliseconds: no other time means the same to the next run. */
  postpone(key: number, attempts: number, dueAtMs: number): Promise<void>;
  remove(key: number): Promise<void>;
  close(): Promise<void>;
}
