import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { component, type Component } from '@xmpp/component';
import type { Stanza } from '../core/event.ts';
import { StanzaParser } from './xml/parser.ts';
import { XmlError } from './xml/text.ts';

/*
 * What @xmpp/component 0.13.1 (exactly this version) does for us: the stream header, and the order of the stream's
 * states. It finds the handler of an iq, and gives replies their right form. Its seams, where we replace a part of it:
 *
 * | seam | what is wrong in the library | our remedy | test |
 * | --- | --- | --- | --- |
 * | `reconnect` | connects again by itself after a second, without end | stopped; session.ts connects | session: waits by no other clock than the one it is given |
 * | `timeout` | limits of its own (2 s), whose rejections nobody handles | 0; connection.ts has the limits | session: and ends the handshake late: online all the same |
 * | `connect` | a socket without keep-alive, TLS and time limit | `attach` a socket of ours | session: at the level of TCP is noticed by keep-alive |
 * | `authenticate` | hashes in Latin-1, takes the next element, whatever it is, for the handshake | UTF-8; connection.ts looks for `<handshake/>` | session: takes nothing before the handshake is over |
 * | `Parser` | memory without bound, takes what XML and XMPP forbid, ends at one bad character | StanzaParser | parser: takes no more memory than a stanza may have |
 * | `_onData` | decodes each chunk by itself; throws where there is no parser any more | StringDecoder; no parser, no bytes | session: of one character that come in different packets stay one character |
 * | `_onElement` | a stream error without listener ends the process; obeys see-other-host | connection.ts looks at each element | session: a stream error that nobody listens to does no harm |
 * | `_onParserError` | a second error, after its parser is gone, ends the process | connection.ts ends the stream once | session: XML that is malformed twice, and more after it, ends the stream once |
 * | `on('element')` | its middleware runs for every stanza, and throws at an address that is none | called for iqs only, guarded | session: a stanza from='alice@', an address without domain, is given like any other |
 * | `send` | writes without bound to a server that does not read | connection.ts sends or drops | session: from a server that reads no replies get none any more |
 * | error replies | hold the whole query, which may be long or use undeclared prefixes | only the `<error/>` | session: for anything else gets service-unavailable, without the query in it |
 * | `Element` (@xmpp/xml) | loses an attribute `__proto__`, fails at `hasOwnProperty` | ParsedElement in xml/parser.ts | ingest: what it calls its elements and attributes is kept |
 */

export interface ComponentStreamOptions {
  /** As a URL. */
  readonly service: string;
  readonly domain: string;
  /** Bytes. */
  readonly maxStanzaSize: number;
  readSecret(): Promise<string>;
}

/** Who gets what comes and happens; none of these may throw. */
export interface StreamHooks {
  /** So many bytes came, whatever they are. */
  onBytes(count: number): void;
  /** The server's stream header. */
  onOpen(header: Stanza): void;
  /** Each child of the stream: stanzas, `<handshake/>`, stream errors. */
  onElement(element: Stanza, bytes: number): void;
  /** A child of the stream was too large or too deep. */
  onSkipped(): void;
  /** What came is no XMPP stream; nothing is read any more. */
  onMalformed(error: XmlError): void;
  /** The server has ended its stream. */
  onStreamEnd(): void;
  /** The socket is closed. */
  onClosed(): void;
  /** The library's own mistakes. */
  onError(error: unknown): void;
  /** The library replies to an iq. */
  onReply(reply: Stanza): void;
}

/** An @xmpp/component for one connection. It neither connects nor reconnects by itself, and has no time limits. */
export class ComponentStream {
  readonly #domain: string;
  readonly #component: Component;
  readonly #routeIq: (iq: Stanza) => unknown;

  constructor({ service, domain, maxStanzaSize, readSecret }: ComponentStreamOptions, hooks: StreamHooks) {
    this.#domain = domain;
    this.#component = component({ service, domain, password: '' });
    const [route] = this.#component.listeners('element');
    this.#routeIq = (iq) => route?.call(this.#component, iq);
    this.#component.reconnect.stop();
    this.#component.timeout = 0;
    this.#component.authenticate = async (id) => {
      const secret = await readSecret();
      await this.#component.write(`<handshake>${digest(id ?? '', secret)}</handshake>`);
    };
    this.#replaceParsing(maxStanzaSize, hooks);
    this.#listen(hooks);
  }

  /** Whether both stream headers were sent, and neither stream has ended. */
  get isOpen(): boolean {
    return this.#component.status === 'open';
  }

  /** Reads from a socket from now on. */
  attach(socket: Socket): void {
    this.#component._attachSocket(socket);
  }

  /** Sends our stream header. */
  open(): void {
    this.#component.open({ domain: this.#domain }).catch(() => undefined); // The socket's error says why.
  }

  /**
   * Replies to iqs of type get with this child from now on. The reply holds what the handler gives (true: nothing), and
   * is an error if that is an `<error/>`.
   */
  onGet(namespace: string, name: string, handler: (child: Stanza) => Stanza | true): void {
    this.#component.iqCallee.get(namespace, name, ({ element }) => handler(element));
  }

  /** Gives an iq to its handler. One of type get or set without a handler gets an error as reply. */
  takeIq(iq: Stanza): void {
    try {
      this.#routeIq(iq);
    } catch {
      // Its `from` is no JID, so no reply is possible.
    }
  }

  #replaceParsing(maxStanzaSize: number, hooks: StreamHooks): void {
    const library = this.#component;
    library.Parser = class extends StanzaParser {
      constructor() {
        super(maxStanzaSize);
        this.on('skipped', () => hooks.onSkipped());
      }
    };
    const decoder = new StringDecoder('utf8');
    library._onData = (data) => {
      hooks.onBytes(data.length);
      library.parser?.write(decoder.write(data));
    };
    library._onElement = (element, bytes) => hooks.onElement(element, bytes);
    library._onParserError = (error) =>
      error instanceof XmlError ? hooks.onMalformed(error) : hooks.onError(error);
  }

  #listen(hooks: StreamHooks): void {
    const library = this.#component;
    library.on('open', (header: Stanza) => hooks.onOpen(header));
    library.on('close', () => hooks.onStreamEnd());
    library.on('disconnect', () => hooks.onClosed());
    library.on('error', (error: unknown) => hooks.onError(error));
    library.send = async (reply) => {
      if (reply.attrs['type'] === 'error') reply.children = reply.children.slice(-1);
      hooks.onReply(reply);
    };
  }
}

/** XEP-0114, section 3: SHA-1 of stream id and secret (UTF-8), in lower case because ejabberd takes no other. */
function digest(id: string, secret: string): string {
  return createHash('sha1').update(`${id}${secret}`, 'utf8').digest('hex');
}
