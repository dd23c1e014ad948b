import type { Attempt, Verdict } from '../../core/delivery.ts';

/** What is known of a destination; see `RequestLimit`. */
export type DestinationState = 'unproven' | 'healthy' | 'down' | 'resting' | 'recovering';

/** So many attempts in a row, and for so long, must fail before a destination counts as down. */
const FAILURES_OF_AN_OUTAGE = 3;
const SHORTEST_OUTAGE_MS = 1000;
/** If something is out and no response comes for so long, in milliseconds, the destination is suspect. */
const SUSPECT_AFTER_MS = 1000;
/**
 * After these a place stays taken for a pause: no response, an endless response, any failure while down. The pause, in
 * milliseconds, doubles each time. Without it a receiver that refuses, resets or floods at once would cost thousands of
 * connections a second. Even hundreds made another pool's p99 twice as long.
 */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 800;
/**
 * Between two releases of what waits there is a gap that doubles, in milliseconds. Without it, notifications that a receiver
 * can never take would be sent again after each success beside them. Within the gap each waits for its own back-off; with
 * `order: strict` a sender's later ones wait with it.
 */
const FIRST_RELEASE_GAP_MS = 1000;
const LONGEST_RELEASE_GAP_MS = 600_000;

/** The receiver has said what it wants to say: yes, or never. */
function isEnd(verdict: Verdict): boolean {
  return verdict.kind === 'delivered' || (verdict.kind === 'dead' && verdict.reason === 'rejected');
}

/**
 * How many requests may be out to one destination: a backend of a pool. `half`: see `Destinations.#half`.
 *
 *     state       most out     ends with
 *     unproven    half         a response -> healthy
 *     healthy     workers (*)  an attempt without response -> unproven
 *     down        half         a success -> recovering
 *     resting     0, then 1    once the rest is over: a success -> recovering, a failure -> down
 *     recovering  1, 2, 4 …    so many successes as may be out: twice as many, and at `workers` -> healthy
 *                              3 failures in a row -> down
 *     unproven, healthy:       3 failures in a row, over a second -> down
 *     every state:             a 429 or 503 with Retry-After -> resting
 *
 * (*) half, while something is out and no response has come for a second. A response that rejects a notification for good
 * is neither a success nor a failure.
 */
export class RequestLimit {
  readonly #workers: number;
  #state: DestinationState = 'unproven';
  #out = 0;
  /** Since then there was no response to what is out. */
  #silentSinceMs = 0;
  #failures = 0;
  #failingSinceMs = 0;
  /** It was down, and what waits has not been released since. */
  #hasOutage = false;
  #restEndsMs = 0;
  #ramp = 1;
  #successes = 0;
  /** When places that stay taken come free. */
  #pausing: number[] = [];
  #pauseMs = 0;
  #pauseGrewMs = 0;
  #nextReleaseMs = -Infinity;
  #releaseGapMs = 0;

  constructor(workers: number) {
    this.#workers = workers;
  }

  get state(): DestinationState {
    return this.#state;
  }

  /** Nothing gets through: a sender's oldest notification should be the first that does. */
  get isAway(): boolean {
    return this.#state === 'down' || this.#state === 'resting';
  }

  /** Until when nothing may go out, because the receiver asked for that; undefined: it has not. */
  restEndsMs(nowMs: number): number | undefined {
    return this.#state === 'resting' && nowMs < this.#restEndsMs ? this.#restEndsMs : undefined;
  }

  /** A request goes out. */
  began(nowMs: number): void {
    if (this.#out === 0) this.#silentSinceMs = nowMs;
    this.#out += 1;
  }

  /** A request did not go out after all. */
  withdrawn(): void {
    this.#out -= 1;
  }

  /** A request has ended. True: the outage is over, and all that waits for the destination is to be released. */
  ended(verdict: Verdict, attempt: Attempt | undefined, nowMs: number): boolean {
    this.#out -= 1;
    const hasResponse = attempt?.errorCode === undefined;
    if (hasResponse) this.#silentSinceMs = nowMs;
    const isBack = this.#move(verdict, hasResponse, nowMs);
    const isAnotherFailure = this.#state === 'down' && !isEnd(verdict);
    if (!hasResponse || attempt?.wasCut === true || isAnotherFailure) this.#pause(nowMs);
    else this.#pauseMs = 0;
    return isBack;
  }

  /** Places that are taken, by requests that are out or after them. */
  taken(nowMs: number): number {
    if (this.#pausing.length > 0) this.#pausing = this.#pausing.filter((endMs) => endMs > nowMs);
    return this.#out + this.#pausing.length;
  }

  /** How many places there are. @param share The most that its pool leaves to it. */
  most(nowMs: number, share: number): number {
    if (this.#state === 'resting') return nowMs < this.#restEndsMs ? 0 : 1;
    return this.#state === 'recovering' ? Math.min(this.#ramp, share) : share;
  }

  /** Whether nothing shows that what is out will have a response. */
  mayHang(nowMs: number): boolean {
    if (this.#state === 'unproven' || this.#state === 'down') return true;
    return this.#out > 0 && nowMs - this.#silentSinceMs >= SUSPECT_AFTER_MS;
  }

  /** When a place comes free though no request ends; undefined: only when one ends. */
  nextPlaceAtMs(nowMs: number): number | undefined {
    if (this.#state === 'resting' && nowMs < this.#restEndsMs) return this.#restEndsMs;
    return this.#pausing.length === 0 ? undefined : Math.min(...this.#pausing);
  }

  #move(verdict: Verdict, hasResponse: boolean, nowMs: number): boolean {
    if (verdict.kind === 'delivered') return this.#succeed(nowMs);
    if (verdict.restMs !== undefined) this.#rest(nowMs + verdict.restMs);
    else if (isEnd(verdict)) this.#prove();
    else this.#fail(hasResponse, nowMs);
    return false;
  }

  #prove(): void {
    if (this.#state === 'unproven') this.#state = 'healthy';
  }

  #succeed(nowMs: number): boolean {
    this.#failures = 0;
    if (this.#state === 'recovering') this.#grow();
    else if (this.#state === 'down' || (this.#state === 'resting' && nowMs >= this.#restEndsMs)) {
      return this.#recover(nowMs);
    }
    this.#prove();
    return false;
  }

  #fail(hasResponse: boolean, nowMs: number): void {
    if (this.#failures === 0) this.#failingSinceMs = nowMs;
    this.#failures += 1;
    if (this.#isDown(nowMs)) {
      this.#state = 'down';
      this.#hasOutage = true;
    } else if (hasResponse) this.#prove();
    else if (this.#state === 'healthy') this.#state = 'unproven';
  }

  #isDown(nowMs: number): boolean {
    if (this.#state === 'resting') return nowMs >= this.#restEndsMs;
    if (this.#state === 'down') return true;
    if (this.#failures < FAILURES_OF_AN_OUTAGE) return false;
    return this.#state === 'recovering' || nowMs - this.#failingSinceMs >= SHORTEST_OUTAGE_MS;
  }

  #rest(endMs: number): void {
    this.#restEndsMs = this.#state === 'resting' ? Math.max(this.#restEndsMs, endMs) : endMs;
    this.#state = 'resting';
    this.#pausing = [];
  }

  #recover(nowMs: number): boolean {
    this.#state = 'recovering';
    this.#ramp = 1;
    this.#successes = 0;
    this.#pausing = [];
    const mayRelease = this.#hasOutage && nowMs >= this.#nextReleaseMs;
    if (!mayRelease) return false;
    this.#hasOutage = false;
    const wasLongAgo = nowMs > this.#nextReleaseMs + this.#releaseGapMs;
    this.#releaseGapMs = wasLongAgo
      ? FIRST_RELEASE_GAP_MS
      : Math.min(2 * this.#releaseGapMs, LONGEST_RELEASE_GAP_MS);
    this.#nextReleaseMs = nowMs + this.#releaseGapMs;
    return true;
  }

  #grow(): void {
    this.#successes += 1;
    if (this.#successes < this.#ramp) return;
    this.#successes = 0;
    this.#ramp *= 2;
    if (this.#ramp >= this.#workers) this.#state = 'healthy';
  }

  #pause(nowMs: number): void {
    // Requests that fail side by side are one step.
    if (this.#pauseMs === 0 || nowMs >= this.#pauseGrewMs + this.#pauseMs) {
      this.#pauseMs = Math.min(Math.max(2 * this.#pauseMs, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
      this.#pauseGrewMs = nowMs;
    }
    this.#pausing.push(nowMs + this.#pauseMs);
  }
}
