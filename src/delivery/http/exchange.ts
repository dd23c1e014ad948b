import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import type { Attempt } from '../../core/delivery.ts';
import type { Deadlines } from './deadlines.ts';
import { outcomeOfError, outcomeOfStatus } from './outcome.ts';
import { readerOf } from './status-line.ts';

/** What is sent. */
export interface ExchangeOptions {
  /** Makes the request, whole but for its body. */
  readonly start: () => ClientRequest;
  readonly body: string | Uint8Array;
}

export interface ExchangeSurroundings {
  readonly clock: Clock;
  /** For the whole exchange, connecting and the answer's body included. */
  readonly deadlines: Deadlines;
}

export interface ExchangeResult {
  readonly attempt: Attempt;
  /** The request went out on a connection that the server had closed meanwhile: it was most likely not processed. */
  readonly wasStale: boolean;
}

/** More of an answer's body than this is not read. */
const MOST_ANSWER_BYTES = 64 * 1024;

/**
 * POSTs once. Never rejects: whatever server and network do is an attempt. The status decides, even if the rest of the
 * response is malformed, hangs or breaks off, since the receiver has taken the notification. An answer that comes early does not end the
 * sending, for some receivers answer first and read then.
 */
export function exchange(
  { start, body }: ExchangeOptions,
  { clock, deadlines }: ExchangeSurroundings,
): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    const startMs = clock.monotonic();
    let answer: IncomingMessage | undefined;
    let isOver = false;
    let hasTimedOut = false;
    let wasCut = false;
    const request = start();

    const finish = (error?: NodeJS.ErrnoException): void => {
      if (isOver) return;
      isOver = true;
      deadlines.end(deadline);
      const durationSeconds = (clock.monotonic() - startMs) / 1000;
      if (answer !== undefined) {
        const attempt = answered(answer, durationSeconds);
        resolve({ attempt: wasCut ? { ...attempt, wasCut } : attempt, wasStale: false });
        return;
      }
      const failed = failure(request, hasTimedOut ? 'ETIMEDOUT' : (error?.code ?? 'UNKNOWN'));
      const wasStale = request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(failed.errorCode ?? '');
      resolve({ attempt: { ...failed, durationSeconds }, wasStale });
    };
    const deadline = deadlines.begin(() => {
      hasTimedOut = true;
      request.destroy();
      finish();
    });
    request.on('error', finish);
    request.on('close', finish);
    request.on('response', (response) => {
      answer = response;
      drain(response, () => (wasCut = true));
    });
    request.end(body);
  });
}

/** Reads an answer's body to its end or to the limit; a connection with an unread rest cannot be used again. */
function drain(answer: IncomingMessage, onCut: () => void): void {
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MOST_ANSWER_BYTES) return;
    onCut();
    answer.destroy();
  });
  // The request's own `close` comes then, too.
  answer.on('error', () => undefined);
}

/** What came of a request of whose response Node's parser has made nothing. */
function failure({ socket }: ClientRequest, errorCode: string): Omit<Attempt, 'durationSeconds'> {
  const reader = readerOf(socket);
  if (reader?.status !== undefined) return { outcome: outcomeOfStatus(reader.status), status: reader.status };
  if (reader?.isOdd === true) return { outcome: 'other', errorCode: 'NOT_HTTP' };
  return { outcome: outcomeOfError(errorCode), errorCode };
}

function answered(answer: IncomingMessage, durationSeconds: number): Attempt {
  const status = answer.statusCode ?? 0;
  const outcome = outcomeOfStatus(status);
  // Node sorts an answer's headers when they are first asked for, which success need not pay for.
  const retryAfter = outcome === '2xx' ? undefined : answer.headers['retry-after'];
  if (retryAfter === undefined) return { outcome, status, durationSeconds };
  return { outcome, status, retryAfter, durationSeconds };
}
