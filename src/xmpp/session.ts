import type { Stanza } from '../core/event.ts';
import { BackOff, type BackOffTiming } from './back-off.ts';
import { Connection, type ConnectionTiming, type Surroundings } from './connection.ts';
import type { Ending } from './ending.ts';
import { type Endpoint, parseService, serviceOf } from './socket.ts';

/** Milliseconds. */
export interface SessionTiming extends ConnectionTiming, BackOffTiming {
  /** A session that lived so long was a good one: the next failure is the first one again. */
  readonly stableAfter: number;
}

// stableAfter exceeds backOffMax, so that two sidecars that throw each other out calm down for good.
const DEFAULT_TIMING: SessionTiming = {
  onlineWithin: 30_000,
  pingInterval: 15_000,
  silenceLimit: 60_000,
  closeWithin: 2_000,
  backOffFirst: 1_000,
  backOffMax: 60_000,
  backOffRefused: 10_000,
  stableAfter: 120_000,
};

export interface SessionOptions {
  /** `xmpp://HOST[:PORT]`, or `xmpps://` for TLS; IPv6 in brackets; default port 5347. */
  readonly service: string;
  readonly domain: string;
  readonly secret: string;
  /** Bytes on the wire; larger stanzas are skipped. */
  readonly maxStanzaSize: number;
  readonly timing?: Partial<SessionTiming>;
}

export interface SessionHandlers {
  /**
   * Takes every message, presence and iq in order of arrival, at once when it has come, and what else stands where one
   * belongs; an iq is answered by the session. `size` is in bytes (UTF-8, line ends as LF). What it throws is observed as an internal error.
   */
  onStanza(stanza: Stanza, size: number): void;
  /** A stanza was skipped: larger than `maxStanzaSize`, or nested deeper than 256 elements. */
  onTooLarge(): void;
}

/** A component's session with its server (XEP-0114). It has no acknowledgements: what is under way when the connection breaks is lost. */
export interface Session {
  /** True while authenticated. */
  readonly connected: boolean;
  /** Closes the stream and does not connect again; resolves always, when no handler is called any more. */
  stop(): Promise<void>;
}

/**
 * Connects, and connects again for ever until `stop`, telling of it as observations. Throws an Error at once only if
 * `service` is no such address.
 */
export function openSession(
  options: SessionOptions,
  handlers: SessionHandlers,
  surroundings: Surroundings,
): Session {
  return new ReconnectingSession(options, handlers, surroundings);
}

class ReconnectingSession implements Session {
  readonly #options: SessionOptions;
  readonly #handlers: SessionHandlers;
  readonly #surroundings: Surroundings;
  readonly #endpoint: Endpoint;
  readonly #timing: SessionTiming;
  readonly #backOff: BackOff;
  #connection: Connection | undefined;
  #onlineAt: number | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped: Promise<void> | undefined;
  #onStopped: (() => void) | undefined;

  constructor(options: SessionOptions, handlers: SessionHandlers, surroundings: Surroundings) {
    this.#options = options;
    this.#handlers = handlers;
    this.#surroundings = surroundings;
    this.#endpoint = parseService(options.service);
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#backOff = new BackOff(this.#timing, surroundings.random);
    this.#connect();
  }

  get connected(): boolean {
    return this.#connection?.online ?? false;
  }

  stop(): Promise<void> {
    this.#stopped ??= new Promise((resolve) => {
      this.#cancelRetry?.();
      this.#surroundings.observe({ kind: 'component-offline', reason: 'stopped' });
      if (this.#connection === undefined) return resolve();
      this.#onStopped = resolve;
      this.#connection.close();
    });
    return this.#stopped;
  }

  #connect(): void {
    const { secret, maxStanzaSize } = this.#options;
    // Servers compare it with the name in their configuration, which they hold in lower case.
    const domain = this.#options.domain.toLowerCase();
    this.#surroundings.observe({ kind: 'component-connecting', service: serviceOf(this.#endpoint), domain });
    this.#connection = new Connection(
      { endpoint: this.#endpoint, domain, secret, maxStanzaSize, timing: this.#timing },
      {
        online: () => this.#online(domain),
        stanza: (stanza, bytes) => this.#handlers.onStanza(stanza, bytes),
        tooLarge: () => this.#handlers.onTooLarge(),
        closed: (ending) => this.#closed(ending),
      },
      this.#surroundings,
    );
  }

  #online(domain: string): void {
    const { clock, observe } = this.#surroundings;
    this.#onlineAt = clock.monotonic();
    observe({ kind: 'component-online', domain });
  }

  #closed({ reason, refused }: Ending): void {
    const { clock, observe } = this.#surroundings;
    this.#connection = undefined;
    if (this.#onStopped !== undefined) return this.#onStopped();
    if (this.#onlineAt !== undefined && clock.monotonic() - this.#onlineAt >= this.#timing.stableAfter) {
      this.#backOff.reset();
    }
    this.#onlineAt = undefined;
    const retryInMs = this.#backOff.next(refused);
    observe({ kind: 'component-offline', reason, retryInMs });
    this.#cancelRetry = clock.after(retryInMs, () => this.#connect());
  }
}
