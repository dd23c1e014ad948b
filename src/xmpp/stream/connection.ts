import type { LookupFunction, Socket } from 'node:net';
import type { Clock, Random } from '../../core/clock.ts';
import type { Stanza } from '../../core/event.ts';
import { afterReading } from '../../node/clock.ts';
import type { FaultPlace, Observe } from '../../core/observation.ts';
import type { Disco, OutgoingStream } from '../../core/tap.ts';
import { replyToIqs } from '../iq.ts';
import { isAddressOf } from '../iq-reply.ts';
import { ComponentStream } from '../library.ts';
import type { XmlError } from '../xml/text.ts';
import {
  afterSocketError,
  afterStreamError,
  afterTimeout,
  afterXmlError,
  CLOSED,
  type Disconnect,
  explainedByPort,
  STOPPED,
  STREAM_CLOSED,
} from './disconnect.ts';
import { Liveness, type LivenessTiming, type Pings } from './liveness.ts';
import { type Endpoint, openSocket, serviceOf } from './socket.ts';
import { StreamWriter } from './writer.ts';

const ACCEPT = 'jabber:component:accept';
const STREAMS = 'http://etherx.jabber.org/streams';
const STREAM_ERRORS = 'urn:ietf:params:xml:ns:xmpp-streams';

/** Milliseconds. */
export interface ConnectionTiming extends LivenessTiming {
  /** The handshake must have succeeded by then, counted from the start of the connection. */
  readonly handshake: number;
  /** How long the server may take to close its side after ours. */
  readonly closeWithin: number;
}

export interface ConnectionOptions {
  readonly endpoint: Endpoint;
  /** See `ConnectOptions` of socket.ts. */
  readonly firstAddress: number;
  readonly lookup: LookupFunction;
  readonly domain: string;
  /** What service discovery says of us beside the table of iqs. */
  readonly disco: readonly Disco[];
  readSecret(): Promise<string>;
  /** Bytes. */
  readonly maxStanzaSize: number;
  readonly pings: Pings;
  readonly timing: ConnectionTiming;
}

export interface ConnectionEvents {
  /** The handshake has succeeded. */
  online(stream: OutgoingStream): void;
  /** A message, presence or iq, or what else stands in its place. True: an iq to which the taker sends the reply. */
  stanza(stanza: Stanza, bytes: number): boolean;
  tooLarge(): void;
  /** Another component of the same domain has sent a liveness ping. */
  secondComponent(): void;
  /** Once, when the socket is closed. */
  closed(disconnect: Disconnect): void;
}

/** What a session gets from outside. */
export interface SessionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  /** Of this program, for replies to XEP-0092. */
  readonly version: string;
}

/**
 * One component connection (XEP-0114) from connecting to the end of its socket, which `closed` explains. It has an
 * @xmpp/component of its own, so that nothing of an earlier connection is left in it.
 */
export class Connection implements OutgoingStream {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #ports: SessionPorts;
  readonly #stream: ComponentStream;
  readonly #socket: Socket;
  readonly #writer: StreamWriter;
  readonly #liveness: Liveness;
  readonly #replyTo: (iq: Stanza) => void;
  readonly #cancelTimeout: () => void;
  #cancelDeadline: (() => void) | undefined;
  #ready = false;
  #online = false;
  /** Of the server's stream. */
  #namespace: string | undefined;
  #disconnect: Disconnect | undefined;

  constructor(options: ConnectionOptions, events: ConnectionEvents, ports: SessionPorts) {
    this.#options = options;
    this.#events = events;
    this.#ports = ports;
    const { endpoint, domain, disco, pings, timing } = options;
    const { clock, version } = ports;
    this.#stream = this.#openStream();
    this.#replyTo = replyToIqs(this.#stream, { domain, version, disco });
    this.#liveness = new Liveness(pings, timing, clock, {
      send: (text) => this.#writer.write(text),
      onDead: (disconnect) => this.#giveUp(disconnect),
      onSecondComponent: () => events.secondComponent(),
    });
    this.#socket = openSocket(endpoint, { ...options, limitMs: timing.handshake }, () => this.#open());
    this.#writer = new StreamWriter(clock, this.#socket);
    this.#socket.on('error', (error) => {
      this.#disconnect ??= afterSocketError(error, serviceOf(endpoint), this.#online);
    });
    this.#stream.attach(this.#socket);
    this.#cancelTimeout = afterReading(clock, timing.handshake, () =>
      this.#abort(afterTimeout(serviceOf(endpoint), timing.handshake, this.#ready)),
    );
  }

  /** True from the handshake until anything ends the connection. */
  get online(): boolean {
    return this.#online && this.#disconnect === undefined;
  }

  /** What is ending the connection; undefined while nothing does. */
  get disconnect(): Disconnect | undefined {
    return this.#disconnect === undefined ? undefined : this.#explained(this.#disconnect);
  }

  send(stanza: Stanza): boolean {
    const { domain } = this.#options;
    stanza.attrs['from'] ??= domain;
    if (!this.online || !isAddressOf(domain, stanza.attrs['from'])) return false;
    return this.#writer.writeStanza(stanza.toString());
  }

  /** Closes the stream, or what there is of it; `closed` follows. */
  close(): void {
    if (this.#ready) this.#end(STOPPED);
    else this.#abort(STOPPED);
  }

  #openStream(): ComponentStream {
    const { endpoint } = this.#options;
    return new ComponentStream(
      { ...this.#options, service: serviceOf(endpoint) },
      {
        onBytes: (count) => this.#heard(count),
        onOpen: ({ attrs }) => (this.#namespace = attrs['xmlns']),
        onElement: (element, bytes) => this.#receive(element, bytes),
        onSkipped: () => this.#online && this.#guard('onTooLarge', () => this.#events.tooLarge()),
        onMalformed: (error) => this.#refuse(error),
        onStreamEnd: () => this.#end(STREAM_CLOSED),
        onClosed: () => this.#closed(),
        onError: (error) => this.#observeFault(error),
        onReply: (reply) => void this.send(reply),
      },
    );
  }

  /** Of the socket's own errors we know already, and a reply that fails because of them needs no more words. */
  #observeFault(error: unknown): void {
    if (this.#socket.writable) this.#ports.observe({ kind: 'internal-error', where: 'session', error });
  }

  #heard(bytes: number): void {
    this.#liveness.heard(bytes);
    this.#writer.heard(bytes);
  }

  #open(): void {
    this.#ready = true;
    this.#stream.open();
  }

  #receive(element: Stanza, bytes: number): void {
    dropPrefix(element);
    if (element.name === 'handshake') this.#goOnline();
    else if (element.is('error', STREAMS)) this.#end(afterStreamError(element));
    else if (this.#online) this.#take(element, bytes);
  }

  #goOnline(): void {
    if (this.#online || this.#disconnect !== undefined || !this.#stream.isOpen) return;
    this.#online = true;
    this.#cancelTimeout();
    this.#liveness.start();
    this.#events.online(this);
  }

  #take(element: Stanza, bytes: number): void {
    const isIq = element.name === 'iq';
    if (isIq && this.#liveness.take(element)) return;
    const getsReply = this.#guard('onStanza', () => this.#events.stanza(element, bytes));
    if (isIq && getsReply !== true && this.#disconnect === undefined) this.#replyTo(element);
  }

  #guard<T>(where: FaultPlace, call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#ports.observe({ kind: 'internal-error', where, error });
      return undefined;
    }
  }

  #refuse(error: XmlError): void {
    const disconnect = afterXmlError(error, serviceOf(this.#options.endpoint), this.#online);
    this.#end(disconnect, `<stream:error><${error.condition} xmlns='${STREAM_ERRORS}'/></stream:error>`);
  }

  /** A silent server will not end its side either. */
  #giveUp(disconnect: Disconnect): void {
    if (disconnect.code === 'silent') this.#abort(disconnect);
    else this.#end(disconnect);
  }

  /** Closes our side, and the socket if the server does not close its own in time. */
  #end(disconnect: Disconnect, lastWords = ''): void {
    this.#disconnect ??= disconnect;
    this.#stopWriting();
    if (this.#socket.writable) this.#socket.end(`${lastWords}</stream:stream>`);
    const { clock } = this.#ports;
    this.#cancelDeadline ??= afterReading(clock, this.#options.timing.closeWithin, () =>
      this.#socket.destroy(),
    );
  }

  #stopWriting(): void {
    this.#liveness.stop();
    this.#writer.stop();
  }

  #abort(disconnect: Disconnect): void {
    this.#disconnect ??= disconnect;
    this.#socket.destroy();
  }

  #closed(): void {
    this.#cancelTimeout();
    this.#cancelDeadline?.();
    this.#stopWriting();
    this.#disconnect ??= CLOSED;
    this.#events.closed(this.#explained(this.#disconnect));
  }

  #explained(disconnect: Disconnect): Disconnect {
    if (this.#online || disconnect === STOPPED) return disconnect;
    return explainedByPort(disconnect, this.#namespace, serviceOf(this.#options.endpoint));
  }
}

/** Drops the prefix of a stanza whose namespace is that of the stream. */
function dropPrefix(element: Stanza): void {
  if (element.name.includes(':') && element.getNS() === ACCEPT) element.name = element.getName();
}
