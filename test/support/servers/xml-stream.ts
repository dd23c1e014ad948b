import net from 'node:net';
import { StanzaSplitter } from './stanza-splitter.ts';
import { once } from '../wait.ts';

/** Says whether a stanza, given as the text that came, is the one looked for. */
export type Matches = (stanza: string) => boolean;

/** Matches a stanza whose text has all these parts. */
export function containing(...parts: readonly string[]): Matches {
  return (stanza) => parts.every((part) => stanza.includes(part));
}

interface Waiter {
  readonly check: () => void;
  readonly fail: (error: Error) => void;
}

/** How long anything is waited for, in milliseconds: long enough for a busy machine, short enough to say what is missing. */
const PATIENCE_MS = 30_000;

/** One TCP connection that speaks XMPP, stanza by stanza, with nothing between the test and the wire. */
export class XmlStream {
  /** Every top-level element that came, oldest first. */
  readonly received: string[] = [];
  /** Resolves once the connection is closed, whoever closed it. */
  readonly closed: Promise<void>;
  readonly #socket: net.Socket;
  readonly #unread: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #splitter = new StanzaSplitter();
  #start: string | undefined;
  #ended = false;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => undefined); // A close follows, which tells the waiters.
    socket.on('close', () => {
      this.#ended = true;
      for (const waiter of this.#waiters)
        waiter.fail(new Error(`the connection is closed; ${this.#story()}`));
    });
  }

  /** Connects to a port of loopback. */
  static async connect(port: number): Promise<XmlStream> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new XmlStream(socket);
  }

  /** Opens a stream, also once more after SASL (RFC 6120, section 6.4.6), and resolves with the server's start tag. */
  async open(attributes: string): Promise<string> {
    this.#splitter = new StanzaSplitter();
    this.#start = undefined;
    this.send(
      `<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' ${attributes}>`,
    );
    return this.#wait(() => this.#start, 'the start of the stream');
  }

  send(xml: string): void {
    this.#socket.write(xml);
  }

  /** The first stanza, come or coming, that matches and was not given out before; the others stay. */
  next(matches: Matches = () => true): Promise<string> {
    return this.#wait(() => {
      const index = this.#unread.findIndex(matches);
      return index === -1 ? undefined : this.#unread.splice(index, 1)[0];
    }, 'a stanza');
  }

  /** All stanzas that were not given out before, up to the first one that matches, and this one. */
  until(matches: Matches): Promise<string[]> {
    return this.#wait(() => {
      const index = this.#unread.findIndex(matches);
      return index === -1 ? undefined : this.#unread.splice(0, index + 1);
    }, 'the last of some stanzas');
  }

  /** Ends the stream in good order; resolves once the server has closed the connection too. */
  async end(): Promise<void> {
    if (!this.#ended) this.#socket.end('</stream:stream>');
    await this.closed;
  }

  /** Cuts the connection without a word. */
  async destroy(): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }

  #read(chunk: Buffer): void {
    for (const { kind, xml } of this.#splitter.feed(chunk)) {
      if (kind === 'start') this.#start = xml;
      if (kind === 'end') this.#socket.end();
      if (kind !== 'element') continue;
      this.received.push(xml);
      this.#unread.push(xml);
    }
    for (const waiter of this.#waiters) waiter.check();
  }

  #wait<T>(find: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        action();
      };
      const fail = (error: Error): void => settle(() => reject(error));
      const check = (): void => {
        const found = find();
        if (found !== undefined) settle(() => resolve(found));
        else if (this.#ended)
          fail(new Error(`waiting for ${what}: the connection is closed; ${this.#story()}`));
      };
      const timer = setTimeout(
        () => fail(new Error(`waited ${PATIENCE_MS} ms for ${what}; ${this.#story()}`)),
        PATIENCE_MS,
      );
      const waiter = { check, fail };
      this.#waiters.add(waiter);
      check();
    });
  }

  #story(): string {
    const last = this.received.slice(-5).map((stanza) => `\n  ${stanza.slice(0, 500)}`);
    return `${this.received.length} stanzas came, the last ones:${last.join('')}`;
  }
}
