import { refusalOf } from '../core/disconnect-reasons.ts';
import type { Stanza } from '../core/event.ts';
import type { Disco, OutgoingStream } from '../core/tap.ts';
import { sharedLookup } from '../node/lookup.ts';
import { Connection, type ConnectionTiming, type SessionPorts } from './stream/connection.ts';
import { type Disconnect, seconds, STOPPED } from './stream/disconnect.ts';
import { Pings } from './stream/liveness.ts';
import { BackOff, type BackOffTiming, RepeatFilter } from './stream/outages.ts';
import { type Endpoint, parseService, serviceOf } from './stream/socket.ts';

/** Milliseconds. */
export interface SessionTiming extends ConnectionTiming, BackOffTiming {
  /** After a session of this length the next refusal counts as the first again. */
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

/** Who takes what the server sends. What `onStanza` and `onTooLarge` throw is observed as an internal error. */
export interface SessionHandlers {
  /** What service discovery says of the component because of them. */
  readonly disco: readonly Disco[];
  /**
   * Takes each stanza as soon as it comes, in order, and any other element in a stanza's place. `size` is in bytes
   * (UTF-8, line ends as LF). True: it is an iq, and the handler sends the reply; to any other iq the session replies.
   */
  onStanza(stanza: Stanza, size: number): boolean;
  /** A stanza was skipped: larger than `maxStanzaSize`, or nested deeper than 256 elements. */
  onTooLarge(): void;
  /** The server has let us in. Throws nothing. */
  onStreamStart(stream: OutgoingStream): void;
  /** The connection has ended; once for each `onStreamStart`. Throws nothing. */
  onStreamEnd(): void;
}

/**
 * A component's session with its server (XEP-0114). It has no acknowledgements: what is under way when the connection
 * breaks is lost.
 */
export interface Session {
  /** True while authenticated. */
  readonly connected: boolean;
  /** Why it is not connected and when the next try comes, in words for the operator; undefined: it is. */
  whyUnready(): string | undefined;
  /** Connects for the first time; to be called once. */
  start(): void;
  /** Closes the stream and does not connect again; resolves always, when no handler is called any more. */
  stop(): Promise<void>;
}

/**
 * Makes a session that connects once it is started, and connects again until `stop`. It observes what happens.
 * @throws Error if `service` is not an address of its form.
 */
export function openSession(
  options: SessionOptions,
  handlers: SessionHandlers,
  ports: SessionPorts,
): Session {
  return new ReconnectingSession(options, handlers, ports);
}

class ReconnectingSession implements Session {
  readonly #options: SessionOptions;
  readonly #handlers: SessionHandlers;
  readonly #ports: SessionPorts;
  readonly #endpoint: Endpoint;
  readonly #timing: SessionTiming;
  readonly #domain: string;
  readonly #pings: Pings;
  readonly #lookup = sharedLookup();
  readonly #backOff: BackOff;
  readonly #repeats = new RepeatFilter();
  #connection: Connection | undefined;
  #onlineAt: number | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped: Promise<void> | undefined;
  #onStopped: (() => void) | undefined;
  /** Why the last connection ended, and when the next try begins; undefined at first and once online. */
  #last: { readonly disconnect: Disconnect; readonly retryAtMs: number } | undefined;
  /** Whether the last failure was a repeat. */
  #isRepeat = false;
  /** Tries that failed before the handshake was over: the next try begins with the host's next address. */
  #failures = 0;
  #hasSecond = false;

  constructor(options: SessionOptions, handlers: SessionHandlers, ports: SessionPorts) {
    this.#options = options;
    this.#handlers = handlers;
    this.#ports = ports;
    this.#endpoint = parseService(options.service);
    this.#timing = { ...TIMING, ...options.timeouts };
    // Servers compare it with the name in their configuration, which they hold in lower case.
    this.#domain = options.domain.toLowerCase();
    this.#pings = new Pings(this.#domain, ports.random);
    this.#backOff = new BackOff(this.#timing, ports.random);
  }

  start(): void {
    this.#connect();
  }

  get connected(): boolean {
    return this.#connection?.online ?? false;
  }

  whyUnready(): string | undefined {
    return this.connected
      ? undefined
      : `the component is not connected to the XMPP server: ${this.#whyOffline()}`;
  }

  stop(): Promise<void> {
    this.#stopped ??= new Promise((resolve) => {
      this.#cancelRetry?.();
      this.#ports.observe({ kind: 'component-offline', ...STOPPED, isRepeat: false });
      if (this.#connection === undefined) return resolve();
      this.#onStopped = resolve;
      this.#connection.close();
    });
    return this.#stopped;
  }

  /** Only our codes and Node's: what the server said is in the log. */
  #whyOffline(): string {
    if (this.#stopped !== undefined) return 'stopping';
    const disconnect = this.#connection?.disconnect ?? this.#last?.disconnect;
    if (disconnect === undefined) return 'connecting for the first time';
    const { code, errorCode } = disconnect;
    const codes = errorCode === undefined ? code : `${code}, ${errorCode}`;
    return `${codes} (${this.#nextTry()}); the log's component-offline line says what to do`;
  }

  #nextTry(): string {
    if (this.#connection?.disconnect !== undefined) return 'the connection is being closed';
    if (this.#connection !== undefined || this.#last === undefined) return 'the next try is under way';
    const waitMs = this.#last.retryAtMs - this.#ports.clock.monotonic();
    return `the next try comes in ${seconds(Math.max(0, waitMs))}`;
  }

  #connect(): void {
    const { maxStanzaSize } = this.#options;
    this.#ports.observe({
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
        disco: this.#handlers.disco,
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
        closed: (disconnect) => this.#closed(disconnect),
      },
      this.#ports,
    );
  }

  #online(stream: OutgoingStream): void {
    const { clock, observe } = this.#ports;
    this.#onlineAt = clock.monotonic();
    this.#last = undefined;
    observe({ kind: 'component-online', domain: this.#domain, isRepeat: this.#repeats.isRepeatedOnline() });
    this.#handlers.onStreamStart(stream);
  }

  #secondComponent(): void {
    const isFirst = !this.#hasSecond;
    this.#hasSecond = true;
    this.#ports.observe({ kind: 'second-component', domain: this.#domain, isFirst });
  }

  #closed(disconnect: Disconnect): void {
    const { clock, observe } = this.#ports;
    const nowMs = clock.monotonic();
    const wasOnline = this.#onlineAt !== undefined;
    this.#connection = undefined;
    if (wasOnline) this.#handlers.onStreamEnd();
    if (this.#onStopped !== undefined) return this.#onStopped();
    this.#isRepeat = this.#repeats.isRepeatedFailure(disconnect.reason, wasOnline, nowMs);
    if (this.#onlineAt === undefined) this.#failures += 1;
    else if (nowMs - this.#onlineAt >= this.#timing.stableAfter) this.#backOff.reset();
    this.#onlineAt = undefined;
    const { code, reason } = disconnect;
    const retryInMs = this.#backOff.next(refusalOf(code) !== undefined);
    this.#last = { disconnect, retryAtMs: nowMs + retryInMs };
    observe({ kind: 'component-offline', code, reason, isRepeat: this.#isRepeat, retryInMs });
    this.#cancelRetry = clock.after(retryInMs, () => this.#connect());
  }
}
