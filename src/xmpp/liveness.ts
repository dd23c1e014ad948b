import type { Clock } from '../core/clock.ts';
import type { Stanza } from '../core/event.ts';
import { afterReading } from '../node/clock.ts';
import { type Ending, routeLostEnding, seconds, silentEnding } from './ending.ts';
import type { Pings } from './pings.ts';

/** Milliseconds. */
export interface LivenessTiming {
  /** The server is pinged so often, whatever else comes. */
  readonly ping: number;
  /** After so long without a byte the connection counts as dead. */
  readonly silence: number;
}

/** What a liveness check does to its connection. */
export interface LivenessEffects {
  send(text: string): void;
  onDead(ending: Ending): void;
  onSecondComponent(): void;
}

/** So many intervals without a ping that came back, although something came, and the route is lost. */
const INTERVALS = 2;

/**
 * Where two components share a domain (ejabberd), one ping in four is lost although all is well: the server gives it to
 * the other one, and the response too. After an unanswered ping so many are sent, so that a healthy pair is not lost.
 */
const PINGS_IN_DOUBT = 16;

/** A server that sends more than this in an interval may have our ping in its queue behind it. */
const BUSY_BYTES = 64 * 1024;

/**
 * Notices a connection that is of no use any more although TCP says nothing: the server is silent, or it routes nothing
 * to us. The proof of the latter is a ping (XEP-0199) to our own domain that comes back, or that the server or another
 * component of our domain answers.
 */
export class Liveness {
  readonly #pings: Pings;
  readonly #timing: LivenessTiming;
  readonly #clock: Clock;
  readonly #effects: LivenessEffects;
  readonly #pingsBefore: number;
  #cancelPing: (() => void) | undefined;
  #cancelSilence: (() => void) | undefined;
  #heardAtMs: number;
  /** In this interval. */
  #bytes = 0;
  #isProven = true;
  /** Intervals since the last proof in which something came. */
  #unproven = 0;

  constructor(pings: Pings, timing: LivenessTiming, clock: Clock, effects: LivenessEffects) {
    this.#pings = pings;
    this.#timing = timing;
    this.#clock = clock;
    this.#effects = effects;
    this.#pingsBefore = pings.made;
    this.#heardAtMs = clock.monotonic();
  }

  /** So many bytes came from the server. */
  heard(bytes: number): void {
    this.#heardAtMs = this.#clock.monotonic();
    this.#bytes += bytes;
  }

  start(): void {
    this.#heardAtMs = this.#clock.monotonic();
    this.#waitForPing();
    this.#waitForSilence(this.#timing.silence);
  }

  stop(): void {
    this.#cancelPing?.();
    this.#cancelSilence?.();
  }

  /** Takes an iq if it is one of our pings coming back, or the response to one: no stanza that anybody sent us. */
  take(iq: Stanza): boolean {
    const number = this.#pings.numberOf(iq);
    const { type } = iq.attrs;
    if (number === undefined) {
      if (this.#pings.isStranger(iq)) this.#effects.onSecondComponent();
      return false;
    }
    if (type === 'get' || type === 'result') this.#isProven = true;
    // The error of a ping on an earlier connection says nothing of this one.
    else if (type === 'error' && number > this.#pingsBefore) {
      const [condition] = iq.getChild('error')?.getChildElements() ?? [];
      this.#effects.onDead(
        routeLostEnding(`our ping came back with the error ${condition?.getName() ?? 'unknown'}`),
      );
    }
    return true;
  }

  #waitForPing(): void {
    this.#cancelPing = afterReading(this.#clock, this.#timing.ping, () => this.#endInterval());
  }

  #endInterval(): void {
    if (this.#isProven) this.#unproven = 0;
    // Where nothing at all comes, silence decides.
    else if (this.#bytes > 0 && this.#bytes <= BUSY_BYTES) this.#unproven += 1;
    this.#bytes = 0;
    if (this.#unproven >= INTERVALS) {
      const ms = this.#timing.ping;
      const how = `none of our pings came back in ${INTERVALS} intervals of ${seconds(ms)}, though other bytes did`;
      return this.#effects.onDead(routeLostEnding(how));
    }
    const count = this.#isProven ? 1 : PINGS_IN_DOUBT;
    this.#isProven = false;
    this.#effects.send(Array.from({ length: count }, () => this.#pings.next()).join(''));
    this.#waitForPing();
  }

  #waitForSilence(ms: number): void {
    const { silence, ping } = this.#timing;
    const check = (): void => {
      const silentMs = this.#clock.monotonic() - this.#heardAtMs;
      if (silentMs >= silence) this.#effects.onDead(silentEnding(silentMs));
      else this.#waitForSilence(silence - silentMs);
    };
    this.#cancelSilence = afterReading(this.#clock, ms, check, ping);
  }
}
