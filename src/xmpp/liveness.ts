import xml from '@xmpp/xml';
import type { Clock, Random } from '../core/clock.ts';
import type { Stanza } from '../core/event.ts';

const PING = 'urn:xmpp:ping';

/** Milliseconds. */
export interface LivenessTiming {
  /** After so long without a byte the server is pinged, and then again and again. */
  readonly pingInterval: number;
  /** After so long without a byte the connection counts as dead. */
  readonly silenceLimit: number;
}

/** What a liveness check does to its connection. */
export interface LivenessEffects {
  send(text: string): void;
  onDead(silentMs: number): void;
}

/**
 * Notices a server that is gone or hangs although TCP says nothing: whatever it sends counts as life. It is pinged
 * (XEP-0199) at the component's own domain, the only address that it is sure to know: the server routes the ping back
 * to us, or answers it itself. Where two sidecars share a domain (ejabberd) some pings come out at the other one;
 * hence more than one before the limit.
 */
export class Liveness {
  readonly #domain: string;
  readonly #timing: LivenessTiming;
  readonly #clock: Clock;
  readonly #effects: LivenessEffects;
  readonly #pingId: string;
  #heardAt: number;
  #cancel: (() => void) | undefined;

  constructor(
    domain: string,
    timing: LivenessTiming,
    { clock, random }: { clock: Clock; random: Random },
    effects: LivenessEffects,
  ) {
    this.#domain = domain;
    this.#timing = timing;
    this.#clock = clock;
    this.#effects = effects;
    this.#pingId = `alive-${random().toString(36).slice(2)}`;
    this.#heardAt = clock.monotonic();
  }

  /** Something came from the server. */
  heard(): void {
    this.#heardAt = this.#clock.monotonic();
  }

  start(): void {
    this.heard();
    this.#wait(this.#timing.pingInterval);
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Whether this iq is one of our pings coming back, or the answer to one: no stanza that anybody sent us. */
  isOwn({ attrs }: Stanza): boolean {
    return attrs['id'] === this.#pingId;
  }

  #wait(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => this.#check());
  }

  #check(): void {
    const { pingInterval, silenceLimit } = this.#timing;
    const silent = this.#clock.monotonic() - this.#heardAt;
    if (silent >= silenceLimit) return this.#effects.onDead(silent);
    if (silent < pingInterval) return this.#wait(pingInterval - silent);
    const address = { from: this.#domain, to: this.#domain };
    this.#effects.send(
      xml('iq', { type: 'get', id: this.#pingId, ...address }, xml('ping', { xmlns: PING })).toString(),
    );
    this.#wait(Math.min(pingInterval, silenceLimit - silent));
  }
}
