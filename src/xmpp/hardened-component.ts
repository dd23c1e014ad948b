import { createHash } from 'node:crypto';
import { StringDecoder } from 'node:string_decoder';
import { component } from '@xmpp/component';
import type { Component } from '@xmpp/component';
import type { Stanza } from '../core/event.ts';
import { StanzaParser } from './parser.ts';
import type { XmlError } from './xml-text.ts';

export interface HardenedComponentOptions {
  readonly service: string;
  readonly domain: string;
  readSecret(): Promise<string>;
  /** Bytes. */
  readonly maxStanzaSize: number;
}

/** Who gets what comes; none of these may throw. */
export interface ComponentHooks {
  /** So many bytes came, whatever they are. */
  onBytes(count: number): void;
  /** Each child of the stream: stanzas, `<handshake/>`, stream errors. */
  onElement(element: Stanza, bytes: number): void;
  /** A child of the stream was too large or too deep. */
  onSkipped(): void;
  /** What came is no XMPP stream; nothing is read any more. */
  onMalformed(error: XmlError): void;
}

/**
 * An @xmpp/component (exactly 0.13.1) for one connection, with those seams overridden behind which the library crashes
 * the process, waits for ever or garbles text. It neither connects nor reconnects by itself, and has no time limits.
 */
export function hardenedComponent(options: HardenedComponentOptions, hooks: ComponentHooks): Component {
  const { service, domain, maxStanzaSize } = options;
  const entity = component({ service, domain, password: '' });
  entity.reconnect.stop();
  entity.timeout = 0;
  entity.authenticate = async (id) => {
    const secret = await options.readSecret();
    await entity.write(`<handshake>${digest(id ?? '', secret)}</handshake>`);
  };
  entity.Parser = class extends StanzaParser {
    constructor() {
      super(maxStanzaSize);
      this.on('skipped', () => hooks.onSkipped());
    }
  };
  // The library decodes each chunk by itself, and has no parser any more once the stream was closed or malformed.
  const decoder = new StringDecoder('utf8');
  entity._onData = (data) => {
    hooks.onBytes(data.length);
    entity.parser?.write(decoder.write(data));
  };
  entity._onElement = (element, bytes) => hooks.onElement(element, bytes);
  entity._onParserError = (error) => hooks.onMalformed(error as XmlError);
  return entity;
}

/** XEP-0114, section 3: SHA-1 of stream id and secret (UTF-8), in lower case because ejabberd takes no other. */
function digest(id: string, secret: string): string {
  return createHash('sha1').update(`${id}${secret}`, 'utf8').digest('hex');
}
