import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import type { Attempt, Outcome } from '../../core/delivery.ts';
import type { Deadlines } from './deadlines.ts';
import { readerOf } from './status-line.ts';

/** How long an exchange may take. */
export interface ExchangeLimit {
  readonly clock: Clock;
  /** For the whole exchange, connecting and the response's body included. */
  readonly deadlines: Deadlines;
}

export interface ExchangeResult {
  readonly attempt: Attempt;
  /** The request went out on a connection that the server had already closed, so it was most likely not processed. */
  readonly wasStale: boolean;
}

/** More of a response's body than this is not read. */
const MOST_BODY_BYTES = 64 * 1024;

/**
 * Sends a request's body and reads the response to its end. Never rejects: whatever server and network do is an attempt.
 * The status decides, even if the rest of the response is malformed, hangs or breaks off: the receiver has taken the
 * request. A response that comes early does not end the sending, because some receivers respond first and read then.
 */
export function exchange(
  request: ClientRequest,
  body: string | Uint8Array,
  { clock, deadlines }: ExchangeLimit,
): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    const startMs = clock.monotonic();
    let response: IncomingMessage | undefined;
    let isOver = false;
    let hasTimedOut = false;
    let wasCut = false;
    const deadline = deadlines.begin(() => {
      hasTimedOut = true;
      request.destroy();
      finish();
    });
    request.on('error', finish);
    request.on('close', finish);
    request.on('response', (head) => {
      response = head;
      drain(head, () => (wasCut = true));
    });
    request.end(body);

    function finish(error?: NodeJS.ErrnoException): void {
      if (isOver) return;
      isOver = true;
      deadlines.end(deadline);
      const durationSeconds = (clock.monotonic() - startMs) / 1000;
      if (response !== undefined) {
        const attempt = attemptOf(response, durationSeconds);
        resolve({ attempt: wasCut ? { ...attempt, wasCut } : attempt, wasStale: false });
        return;
      }
      const failed = failure(request, hasTimedOut ? 'ETIMEDOUT' : (error?.code ?? 'UNKNOWN'));
      const wasStale = request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(failed.errorCode ?? '');
      resolve({ attempt: { ...failed, durationSeconds }, wasStale });
    }
  });
}

/** Reads a response's body to its end or to the limit. A connection with an unread rest cannot be used again. */
function drain(response: IncomingMessage, onCut: () => void): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MOST_BODY_BYTES) return;
    onCut();
    response.destroy();
  });
  // The request's own `close` comes then, too.
  response.on('error', () => undefined);
}

function attemptOf(response: IncomingMessage, durationSeconds: number): Attempt {
  const status = response.statusCode ?? 0;
  const outcome = outcomeOfStatus(status);
  // Node sorts a response's headers when they are first read, which a success does not need.
  const retryAfter = outcome === '2xx' ? undefined : response.headers['retry-after'];
  if (retryAfter === undefined) return { outcome, status, durationSeconds };
  return { outcome, status, retryAfter, durationSeconds };
}

/** What came of a request for which Node's parser gave no response. */
function failure({ socket }: ClientRequest, errorCode: string): Omit<Attempt, 'durationSeconds'> {
  const reader = readerOf(socket);
  if (reader?.status !== undefined) return { outcome: outcomeOfStatus(reader.status), status: reader.status };
  if (reader?.isOdd === true) return { outcome: 'other', errorCode: 'NOT_HTTP' };
  return { outcome: outcomeOfError(errorCode), errorCode };
}

function outcomeOfStatus(status: number): Outcome {
  if (status >= 200 && status < 300) return '2xx';
  if (status >= 300 && status < 400) return '3xx';
  if (status >= 400 && status < 500) return '4xx';
  if (status >= 500 && status < 600) return '5xx';
  return 'other';
}

const outcomesByCode: ReadonlyMap<string, Outcome> = new Map([
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['ENOTFOUND', 'dns'],
  ['EPROTO', 'tls'],
  ['ETIMEDOUT', 'timeout'],
]);
/** OpenSSL's verification errors have no common prefix (DEPTH_ZERO_SELF_SIGNED_CERT, CERT_HAS_EXPIRED, …). */
const tlsCode = /^ERR_(TLS|SSL)_|CERT|^UNABLE_TO_|HOSTNAME_MISMATCH/;

/** The class of a Node error code. */
function outcomeOfError(code: string): Outcome {
  const known = outcomesByCode.get(code);
  if (known !== undefined) return known;
  if (code.startsWith('EAI_')) return 'dns';
  return tlsCode.test(code) ? 'tls' : 'other';
}
