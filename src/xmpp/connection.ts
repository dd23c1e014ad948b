import type { LookupFunction, Socket } from 'node:net';
import type { Component } from '@xmpp/component';
import type { Clock, Random } from '../core/clock.ts';
import type { Stanza } from '../core/event.ts';
import { afterReading } from '../node/clock.ts';
import type { FaultPlace, Observe } from '../core/observation.ts';
import type { OutgoingStream } from '../core/tap.ts';
import {
  CLOSED,
  type Ending,
  endingOnPort,
  socketErrorEnding,
  STOPPED,
  STREAM_CLOSED,
  streamErrorEnding,
  timeoutEnding,
  xmlErrorEnding,
} from './ending.ts';
import { hardenedComponent } from './hardened-component.ts';
import { iqReplier, isAddressOf } from './iq.ts';
import { Liveness, type LivenessTiming } from './liveness.ts';
import { PatientWriter } from './patient-writer.ts';
import type { Pings } from './pings.ts';
import { type Endpoint, openSocket, serviceOf } from './socket.ts';
import type { XmlError } from './xml-text.ts';

/** Prosody ends the stream of a component that sends a stanza of more than 512 KiB. */
const LONGEST_STANZA = 64 * 1024;
/** A server that does not read shall not fill our memory with what it is to get. */
const MOST_UNSENT_BYTES = 1024 * 1024;

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
  /** See `Approach`. */
  readonly firstAddress: number;
  readonly lookup: LookupFunction;
  readonly domain: string;
  readSecret(): Promise<string>;
  /** Bytes. */
  readonly maxStanzaSize: number;
  readonly pings: Pings;
  readonly timing: ConnectionTiming;
}

export interface ConnectionEvents {
  online(stream: OutgoingStream): void;
  /** A message, presence or iq, or something else that stands where one belongs; true: an iq to which it replies. */
  stanza(stanza: Stanza, bytes: number): boolean;
  tooLarge(): void;
  /** Another component of the same domain has sent a liveness ping. */
  secondComponent(): void;
  /** Once, when the socket is closed. */
  closed(ending: Ending): void;
}

/** What a session stands in. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  /** Of this program, for who asks (XEP-0092). */
  readonly version: string;
}

/**
 * One component connection (XEP-0114) from connecting to the end of its socket, which `closed` explains. It has an
 * @xmpp/component of its own, so that nothing of an earlier connection is left in it.
 */
export class Connection implements OutgoingStream {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #surroundings: Surroundings;
  readonly #entity: Component;
  readonly #socket: Socket;
  readonly #writer: PatientWriter;
  readonly #reply: (iq: Stanza) => void;
  readonly #liveness: Liveness;
  readonly #cancelWatchdog: () => void;
  #cancelDeadline: (() => void) | undefined;
  #ready = false;
  #online = false;
  /** Of the server's stream. */
  #namespace: string | undefined;
  #ending: Ending | undefined;

  constructor(options: ConnectionOptions, events: ConnectionEvents, surroundings: Surroundings) {
    this.#options = options;
    this.#events = events;
    this.#surroundings = surroundings;
    const { endpoint, domain, pings, timing } = options;
    this.#entity = hardenedComponent(
      { ...options, service: serviceOf(endpoint) },
      {
        onBytes: (count) => this.#heard(count),
        onElement: (element, bytes) => this.#receive(element, bytes),
        onSkipped: () => this.#online && this.#guard('onTooLarge', () => events.tooLarge()),
        onMalformed: (error) => this.#refuse(error),
      },
    );
    this.#writer = new PatientWriter(surroundings.clock, (text) => this.#socket.write(text));
    this.#reply = iqReplier(this.#entity, {
      domain,
      version: surroundings.version,
      send: (reply) => void this.send(reply),
    });
    this.#liveness = new Liveness(pings, timing, surroundings.clock, {
      send: (text) => this.#writer.write(text),
      onDead: (ending) => this.#giveUp(ending),
      onSecondComponent: () => events.secondComponent(),
    });
    this.#socket = openSocket(endpoint, { ...options, limitMs: timing.handshake }, () => this.#open());
    this.#listen();
    this.#cancelWatchdog = afterReading(surroundings.clock, timing.handshake, () =>
      this.#abort(timeoutEnding(serviceOf(endpoint), timing.handshake, this.#ready)),
    );
  }

  /** True from the handshake until anything ends the connection. */
  get online(): boolean {
    return this.#online && this.#ending === undefined;
  }

  /** What is ending the connection; undefined while nothing does. */
  get ending(): Ending | undefined {
    return this.#ending === undefined ? undefined : this.#explained(this.#ending);
  }

  /** Sends a stanza of our own domain, which it takes as sender where none is given; see `OutgoingStream`. */
  send(stanza: Stanza): boolean {
    const { domain } = this.#options;
    stanza.attrs['from'] ??= domain;
    if (!this.online || !isAddressOf(domain, stanza.attrs['from'])) return false;
    const text = stanza.toString();
    const unsent = this.#socket.writableLength + this.#writer.held;
    if (text.length > LONGEST_STANZA || unsent > MOST_UNSENT_BYTES) return false;
    this.#writer.write(text);
    return true;
  }

  /** Closes the stream, or what there is of it; `closed` follows. */
  close(): void {
    if (this.#ready) this.#end(STOPPED);
    else this.#abort(STOPPED);
  }

  #listen(): void {
    this.#socket.on('error', (error) => {
      this.#ending ??= socketErrorEnding(error, serviceOf(this.#options.endpoint), this.#online);
    });
    this.#entity._attachSocket(this.#socket);
    // Of the socket's own errors we know already, and a reply that fails because of them needs no more words.
    this.#entity.on('error', (error: unknown) => {
      if (this.#socket.writable)
        this.#surroundings.observe({ kind: 'internal-error', where: 'session', error });
    });
    this.#entity.on('open', ({ attrs }: Stanza) => (this.#namespace = attrs['xmlns'] as string | undefined));
    this.#entity.on('close', () => this.#end(STREAM_CLOSED));
    this.#entity.on('disconnect', () => this.#closed());
  }

  #heard(bytes: number): void {
    this.#liveness.heard(bytes);
    this.#writer.heard(bytes);
  }

  #open(): void {
    this.#ready = true;
    this.#entity.open({ domain: this.#options.domain }).catch(() => undefined); // The socket's error says why.
  }

  #receive(element: Stanza, bytes: number): void {
    dropPrefix(element);
    if (element.name === 'handshake') this.#goOnline();
    else if (element.is('error', STREAMS)) this.#end(streamErrorEnding(element));
    else if (this.#online) this.#take(element, bytes);
  }

  #goOnline(): void {
    if (this.#online || this.#ending !== undefined || this.#entity.status !== 'open') return;
    this.#online = true;
    this.#cancelWatchdog();
    this.#liveness.start();
    this.#events.online(this);
  }

  #take(element: Stanza, bytes: number): void {
    const isIq = element.name === 'iq';
    if (isIq && this.#liveness.take(element)) return;
    const isReplied = this.#guard('onStanza', () => this.#events.stanza(element, bytes));
    if (isIq && isReplied !== true && this.#ending === undefined) this.#reply(element);
  }

  #guard<T>(where: FaultPlace, call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#surroundings.observe({ kind: 'internal-error', where, error });
      return undefined;
    }
  }

  #refuse(error: XmlError): void {
    const ending = xmlErrorEnding(error, serviceOf(this.#options.endpoint), this.#online);
    this.#end(ending, `<stream:error><${error.condition} xmlns='${STREAM_ERRORS}'/></stream:error>`);
  }

  /** A silent server will not end its side either. */
  #giveUp(ending: Ending): void {
    if (ending.code === 'silent') this.#abort(ending);
    else this.#end(ending);
  }

  /** Closes our side, and the socket if the server does not close its own in time. */
  #end(ending: Ending, lastWords = ''): void {
    this.#ending ??= ending;
    this.#stopWriting();
    if (this.#socket.writable) this.#socket.end(`${lastWords}</stream:stream>`);
    const { clock } = this.#surroundings;
    this.#cancelDeadline ??= afterReading(clock, this.#options.timing.closeWithin, () =>
      this.#socket.destroy(),
    );
  }

  #stopWriting(): void {
    this.#liveness.stop();
    this.#writer.stop();
  }

  #abort(ending: Ending): void {
    this.#ending ??= ending;
    this.#socket.destroy();
  }

  #closed(): void {
    this.#cancelWatchdog();
    this.#cancelDeadline?.();
    this.#stopWriting();
    this.#events.closed(this.#explained(this.#ending ?? CLOSED));
  }

  #explained(ending: Ending): Ending {
    if (this.#online || ending === STOPPED) return ending;
    return endingOnPort(ending, this.#namespace, serviceOf(this.#options.endpoint));
  }
}

/** A stanza with a prefix is the same one without: its namespace is what the stream has anyway. */
function dropPrefix(element: Stanza): void {
  if (element.name.includes(':') && element.getNS() === ACCEPT) element.name = element.getName();
}
