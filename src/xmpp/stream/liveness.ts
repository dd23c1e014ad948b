import xml from '@xmpp/xml';
import type { Clock, Random } from '../../core/clock.ts';
import type { Stanza } from '../../core/event.ts';
import { afterReading } from '../../node/clock.ts';
import { afterLostRoute, afterSilence, type Disconnect, seconds } from './disconnect.ts';

const PING = 'urn:xmpp:ping';

/** Milliseconds. */
export interface LivenessTiming {
  /** Between two pings to the server, whatever else comes. */
  readonly ping: number;
  /** After so long without a byte the connection counts as dead. */
  readonly silence: number;
}

/** What a liveness check does to its connection. */
export interface LivenessEffects {
  send(text: string): void;
  onDead(disconnect: Disconnect): void;
  onSecondComponent(): void;
}

/** The route is lost after so many intervals in which something came, and no ping came back. */
const INTERVALS = 2;

/**
 * After a lost ping so many go out, since a healthy pair of components that share a domain (ejabberd) loses one in
 * four. The server then gives both ping and reply to the other component.
 */
const PINGS_IN_DOUBT = 16;

/** A server that sends more than this in an interval may have our ping in its queue behind it. */
const BUSY_BYTES = 64 * 1024;

/**
 * Notices a connection that is of no use any more although TCP says nothing: the server is silent, or it routes
 * nothing to us. A ping (XEP-0199) to our own domain proves that it routes. The ping comes back, or the server or
 * another component of our domain replies to it.
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

  /** Takes an iq if it is one of our pings that comes back, or the reply to a ping. No user has sent it. */
  take(iq: Stanza): boolean {
    const number = this.#pings.numberOf(iq);
    const { type } = iq.attrs;
    if (number === undefined) {
      if (this.#pings.isOfOtherComponent(iq)) this.#effects.onSecondComponent();
      return false;
    }
    if (type === 'get' || type === 'result') this.#isProven = true;
    // The error of a ping on an earlier connection says nothing of this one.
    else if (type === 'error' && number > this.#pingsBefore) {
      const [condition] = iq.getChild('error')?.getChildElements() ?? [];
      this.#effects.onDead(
        afterLostRoute(`our ping came back with the error ${condition?.getName() ?? 'unknown'}`),
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
      return this.#effects.onDead(afterLostRoute(how));
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
      if (silentMs >= silence) this.#effects.onDead(afterSilence(silentMs));
      else this.#waitForSilence(silence - silentMs);
    };
    this.#cancelSilence = afterReading(this.#clock, ms, check, ping);
  }
}

/** The liveness pings (XEP-0199) of one session, over all its connections: numbered after a name that cannot be guessed. */
export class Pings {
  readonly #domain: string;
  readonly #prefix: string;
  #made = 0;

  constructor(domain: string, random: Random) {
    this.#domain = domain;
    this.#prefix = `alive-${random().toString(36).slice(2)}-`;
  }

  /** How many were made so far. */
  get made(): number {
    return this.#made;
  }

  /** From and to the component's own domain, the only address that the server is sure to know. */
  next(): string {
    this.#made += 1;
    const address = { from: this.#domain, to: this.#domain };
    const id = `${this.#prefix}${this.#made}`;
    return xml('iq', { type: 'get', id, ...address }, xml('ping', { xmlns: PING })).toString();
  }

  /** Which of our pings this iq is, or is the reply to, from 1 on; undefined: none. */
  numberOf({ attrs }: Stanza): number | undefined {
    const id = String(attrs['id']);
    return id.startsWith(this.#prefix) ? Number(id.slice(this.#prefix.length)) : undefined;
  }

  /** Whether this iq, which is none of ours, is a ping from our own domain: only another component can send it. */
  isOfOtherComponent(iq: Stanza): boolean {
    const { type, from } = iq.attrs as Record<string, unknown>;
    return type === 'get' && from === this.#domain && iq.getChild('ping', PING) !== undefined;
  }
}
