import type { Stanza } from '../core/event.ts';
import type { OutgoingStream } from '../core/tap.ts';
import { sharedLookup } from '../node/lookup.ts';
import { BackOff, type BackOffTiming } from './back-off.ts';
import { Connection, type ConnectionTiming, type Surroundings } from './connection.ts';
import { type Ending, isRefusal, seconds, STOPPED } from './ending.ts';
import { News } from './news.ts';
import { Pings } from './pings.ts';
import { type Endpoint, parseService, serviceOf } from './socket.ts';

/** Milliseconds. */
export interface SessionTiming extends ConnectionTiming, BackOffTiming {
  /** A session that lived so long was a good one: the next refusal is the first one again. */
  readonly stableAfter: number;
}

// stableAfter exceeds backOffMax, so that two sidecars that throw each other out calm down for good.
const TIMING: Omit<SessionTiming, keyof SessionTimeouts> = {
  closeWithin: 2_000,
  backOffFirst: 1_000,
  backOffMax: 60_000,
  stableAfter: 120_000,
};

/** `component.timeouts` */
export type SessionTimeouts = Pick<SessionTiming, 'handshake' | 'ping' | 'silence'>;

export interface SessionOptions {
  /** `xmpp://HOST[:PORT]`, or `xmpps://` for TLS; IPv6 in brackets; default port 5347. */
  readonly service: string;
  readonly domain: string;
  /** Asked at each connection. */
  readSecret(): Promise<string>;
  /** Bytes on the wire; larger stanzas are skipped. */
  readonly maxStanzaSize: number;
  readonly timeouts: SessionTimeouts;
}

export interface SessionHandlers {
  /**
   * Takes every message, presence and iq in order of arrival, at once when it has come, and what else stands where one
   * belongs. True: it is an iq, and the handler sends the reply; else the session replies to iqs. `size` is in bytes
   * (UTF-8, line ends as LF). What it throws is observed as an internal error.
   */
  onStanza(stanza: Stanza, size: number): boolean;
  /** A stanza was skipped: larger than `maxStanzaSize`, or nested deeper than 256 elements. */
  onTooLarge(): void;
  /** The server has let us in. */
  onStreamStart(stream: OutgoingStream): void;
  /** The connection has ended; once for each `onStreamStart`. */
  onStreamEnd(): void;
}

/** A component's session with its server (XEP-0114). It has no acknowledgements: what is under way when the connection breaks is lost. */
export interface Session {
  /** True while authenticated. */
  readonly connected: boolean;
  /** Why it is not connected and when the next try comes, in words for the operator; undefined: it is. */
  problem(): string | undefined;
  /** Connects for the first time; to be called once. */
  start(): void;
  /** Closes the stream and does not connect again; resolves always, when no handler is called any more. */
  stop(): Promise<void>;
}

/**
 * Makes a session that connects once it is started, and connects again until `stop`, telling of it as observations.
 * @throws Error if `service` is not an address of its form.
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
  readonly #domain: string;
  readonly #pings: Pings;
  readonly #lookup = sharedLookup();
  readonly #backOff: BackOff;
  readonly #news = new News();
  #connection: Connection | undefined;
  #onlineAt: number | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped: Promise<void> | undefined;
  #onStopped: (() => void) | undefined;
  /** Why the last connection ended, and when the next one begins; undefined at first and once online. */
  #last: { readonly ending: Ending; readonly retryAtMs: number } | undefined;
  /** Whether the last failure was no news. */
  #isRepeat = false;
  /** Tries that did not get us in: the next one begins with the host's next address. */
  #failures = 0;
  #hasSecond = false;

  constructor(options: SessionOptions, handlers: SessionHandlers, surroundings: Surroundings) {
    this.#options = options;
    this.#handlers = handlers;
    this.#surroundings = surroundings;
    this.#endpoint = parseService(options.service);
    this.#timing = { ...TIMING, ...options.timeouts };
    // Servers compare it with the name in their configuration, which they hold in lower case.
    this.#domain = options.domain.toLowerCase();
    this.#pings = new Pings(this.#domain, surroundings.random);
    this.#backOff = new BackOff(this.#timing, surroundings.random);
  }

  start(): void {
    this.#connect();
  }

  get connected(): boolean {
    return this.#connection?.online ?? false;
  }

  problem(): string | undefined {
    return this.connected
      ? undefined
      : `the component is not connected to the XMPP server: ${this.#whyOffline()}`;
  }

  stop(): Promise<void> {
    this.#stopped ??= new Promise((resolve) => {
      this.#cancelRetry?.();
      this.#surroundings.observe({ kind: 'component-offline', ...STOPPED, isRepeat: false });
      if (this.#connection === undefined) return resolve();
      this.#onStopped = resolve;
      this.#connection.close();
    });
    return this.#stopped;
  }

  /** Its codes are ours and Node's: of what the server said, the log has the words. */
  #whyOffline(): string {
    if (this.#stopped !== undefined) return 'stopping';
    const ending = this.#connection?.ending ?? this.#last?.ending;
    if (ending === undefined) return 'connecting for the first time';
    const codes = ending.errorCode === undefined ? ending.code : `${ending.code}, ${ending.errorCode}`;
    return `${codes} (${this.#nextTry()}); the log's component-offline line says what to do`;
  }

  #nextTry(): string {
    if (this.#connection?.ending !== undefined) return 'the connection is being closed';
    if (this.#connection !== undefined || this.#last === undefined) return 'the next try is under way';
    const waitMs = this.#last.retryAtMs - this.#surroundings.clock.monotonic();
    return `the next try comes in ${seconds(Math.max(0, waitMs))}`;
  }

  #connect(): void {
    const { maxStanzaSize } = this.#options;
    this.#surroundings.observe({
      kind: 'component-connecting',
      endpoint: serviceOf(this.#endpoint),
      domain: this.#domain,
      isRepeat: this.#isRepeat,
    });
    this.#connection = new Connection(
      {
        endpoint: this.#endpoint,
        firstAddress: this.#failures,
        lookup: this.#lookup,
        domain: this.#domain,
        readSecret: () => this.#options.readSecret(),
        maxStanzaSize,
        pings: this.#pings,
        timing: this.#timing,
      },
      {
        online: (stream) => this.#online(stream),
        stanza: (stanza, bytes) => this.#handlers.onStanza(stanza, bytes),
        tooLarge: () => this.#handlers.onTooLarge(),
        secondComponent: () => this.#secondComponent(),
        closed: (ending) => this.#closed(ending),
      },
      this.#surroundings,
    );
  }

  #online(stream: OutgoingStream): void {
    const { clock, observe } = this.#surroundings;
    this.#onlineAt = clock.monotonic();
    this.#last = undefined;
    observe({ kind: 'component-online', domain: this.#domain, isRepeat: !this.#news.online() });
    this.#handlers.onStreamStart(stream);
  }

  #secondComponent(): void {
    const isFirst = !this.#hasSecond;
    this.#hasSecond = true;
    this.#surroundings.observe({ kind: 'second-component', domain: this.#domain, isFirst });
  }

  #closed(ending: Ending): void {
    const { clock, observe } = this.#surroundings;
    const nowMs = clock.monotonic();
    this.#connection = undefined;
    if (this.#onlineAt !== undefined) this.#handlers.onStreamEnd();
    if (this.#onStopped !== undefined) return this.#onStopped();
    this.#isRepeat = !this.#news.failure(ending.reason, this.#onlineAt !== undefined, nowMs);
    if (this.#onlineAt === undefined) this.#failures += 1;
    else if (nowMs - this.#onlineAt >= this.#timing.stableAfter) this.#backOff.reset();
    this.#onlineAt = undefined;
    const retryInMs = this.#backOff.next(isRefusal(ending));
    this.#last = { ending, retryAtMs: nowMs + retryInMs };
    const { code, reason } = ending;
    observe({ kind: 'component-offline', code, reason, isRepeat: this.#isRepeat, retryInMs });
    this.#cancelRetry = clock.after(retryInMs, () => this.#connect());
  }
}
