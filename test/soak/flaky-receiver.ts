import type http from 'node:http';
import { onTestFinished } from 'vitest';
import { startReceiver } from '../support/receiver.ts';

/** What the receiver makes of one request. */
type Behaviour = 'accepts' | 'accepts-slowly' | 'fails' | 'refuses-for-good' | 'resets' | 'hangs';

/** One request that was received whole. */
export interface Receipt {
  readonly id: string;
  /** The number that its message had. */
  readonly number: number;
  /** How many sidecars were killed before the one that sent it. */
  readonly round: number;
  readonly atMs: number;
  /** The status that was answered, whether or not the sidecar got it; undefined while, or if, there is none. */
  status: number | undefined;
}

export interface FlakyReceiver {
  readonly url: string;
  readonly receipts: readonly Receipt[];
  /** From now on it accepts everything but what it has refused for good. */
  tame(): void;
}

/** The receiver's mood is the hash of message and attempt: no state, so that a seed means the same in every run. */
export async function startFlakyReceiver(seed: number): Promise<FlakyReceiver> {
  const receipts: Receipt[] = [];
  const attempts = new Map<string, number>();
  let isTame = false;
  const respond = (receipt: Receipt, response: http.ServerResponse): void => {
    const attempt = (attempts.get(receipt.id) ?? 0) + 1;
    attempts.set(receipt.id, attempt);
    const answer = (status: number): void => {
      receipt.status = status;
      response.writeHead(status).end();
    };
    const behaviour = behaviourFor(seed, receipt.number, attempt);
    if (behaviour === 'refuses-for-good') answer(410);
    else if (isTame || behaviour === 'accepts') answer(204);
    else if (behaviour === 'accepts-slowly')
      setTimeout(() => answer(200), 10 + (receipt.number % 90)).unref();
    else if (behaviour === 'fails') answer(500 + (receipt.number % 5 === 1 ? 0 : receipt.number % 5));
    else if (behaviour === 'resets') response.socket?.resetAndDestroy();
  };
  const receiver = await startReceiver({
    respond: ({ path, headers, body }, response) => {
      const number = Number(new URLSearchParams(body).get('message'));
      const receipt: Receipt = {
        id: String(headers['webhook-id']),
        number,
        // Said by the sidecar: what a killed one has sent may be read when the next one runs already.
        round: Number(/^\/round-(\d+)\//.exec(path)?.[1]),
        atMs: performance.now(),
        status: undefined,
      };
      receipts.push(receipt);
      respond(receipt, response);
    },
  });
  onTestFinished(() => receiver.stop());
  return {
    url: receiver.url,
    receipts,
    tame: () => {
      isTame = true;
    },
  };
}

/** Of a hundred messages two are refused for good; of a thousand attempts of the others 150 fail and four hang. */
function behaviourFor(seed: number, number: number, attempt: number): Behaviour {
  if (hash(seed, number, 0) % 100 < 2) return 'refuses-for-good';
  const dice = hash(seed, number, attempt) % 1000;
  if (dice < 4) return 'hangs';
  if (dice < 54) return 'resets';
  if (dice < 154) return 'fails';
  if (dice < 300) return 'accepts-slowly';
  return 'accepts';
}

/** FNV-1a (draft-eastlake-fnv) over the numbers' digits. */
function hash(...numbers: readonly number[]): number {
  let value = 0x811c9dc5;
  for (const digit of numbers.join('.')) value = Math.imul(value ^ digit.charCodeAt(0), 0x01000193) >>> 0;
  // The last digits reach the lowest bits only so.
  return (value ^ (value >>> 15)) >>> 0;
}
