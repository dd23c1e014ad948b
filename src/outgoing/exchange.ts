import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Clock } from '../core/clock.ts';
import type { Attempt } from '../core/delivery.ts';
import { outcomeOfError, outcomeOfStatus } from './outcome.ts';

/** What is sent, and how long it may take. */
export interface ExchangeOptions {
  /** Makes the request, whole but for its body. */
  readonly start: () => ClientRequest;
  readonly body: string | Uint8Array;
  /** For the whole exchange, connecting and the answer's body included. */
  readonly timeoutMs: number;
}

export interface ExchangeResult {
  readonly attempt: Attempt;
  /** The request went out on a connection that the server had closed meanwhile: it was most likely not processed. */
  readonly wasStale: boolean;
}

/** More of an answer's body than this is not read. */
const MOST_ANSWER_BYTES = 64 * 1024;

/**
 * POSTs once. Never rejects: whatever server and network do is an attempt. The status decides, even if the answer's body
 * then hangs or breaks off, since the receiver has taken the notification. An answer that comes early does not end the
 * sending, for some receivers answer first and read then.
 */
export function exchange(options: ExchangeOptions, clock: Clock): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    const startMs = clock.monotonic();
    let status: number | undefined;
    let retryAfter: string | undefined;
    let isOver = false;
    let hasTimedOut = false;
    const request = options.start();

    const finish = (error?: NodeJS.ErrnoException): void => {
      if (isOver) return;
      isOver = true;
      cancelTimeout();
      const durationSeconds = (clock.monotonic() - startMs) / 1000;
      const code = hasTimedOut ? 'ETIMEDOUT' : (error?.code ?? 'UNKNOWN');
      const wasStale = status === undefined && request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(code);
      resolve({ attempt: { ...resultOf(status, code, retryAfter), durationSeconds }, wasStale });
    };
    const cancelTimeout = clock.after(options.timeoutMs, () => {
      hasTimedOut = true;
      request.destroy();
      finish();
    });
    request.on('error', finish);
    request.on('close', finish);
    request.on('response', (answer) => {
      status = answer.statusCode;
      retryAfter = answer.headers['retry-after'];
      drain(answer);
    });
    request.end(options.body);
  });
}

/** Reads an answer's body to its end or to the limit; a connection with an unread rest cannot be used again. */
function drain(answer: IncomingMessage): void {
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_ANSWER_BYTES) answer.destroy();
  });
  // The request's own `close` comes then, too.
  answer.on('error', () => undefined);
}

function resultOf(
  status: number | undefined,
  errorCode: string,
  retryAfter: string | undefined,
): Omit<Attempt, 'durationSeconds'> {
  if (status === undefined) return { outcome: outcomeOfError(errorCode), errorCode };
  const outcome = outcomeOfStatus(status);
  return retryAfter === undefined ? { outcome, status } : { outcome, status, retryAfter };
}
