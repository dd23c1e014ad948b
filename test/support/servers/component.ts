import { createHash } from 'node:crypto';
import { XmlStream, type Matches } from './xml-stream.ts';

export interface ComponentOptions {
  readonly port: number;
  readonly domain: string;
  readonly secret: string;
}

/** An external component (XEP-0114) that does nothing but record: for tests of the taps alone. */
export class Component {
  readonly #stream: XmlStream;

  private constructor(stream: XmlStream) {
    this.#stream = stream;
  }

  /** Connects and shakes hands (XEP-0114, section 3); rejects with what the server says if it refuses. */
  static async connect({ port, domain, secret }: ComponentOptions): Promise<Component> {
    const stream = await XmlStream.connect(port);
    const start = await stream.open(`xmlns='jabber:component:accept' to='${domain}'`);
    const id = /\sid=(['"])(.*?)\1/.exec(start)?.[2] ?? '';
    stream.send(`<handshake>${createHash('sha1').update(`${id}${secret}`).digest('hex')}</handshake>`);
    const reply = await stream.next();
    if (!reply.startsWith('<handshake')) throw new Error(`${domain} was not let in: ${reply}`);
    return new Component(stream);
  }

  send(xml: string): void {
    this.#stream.send(xml);
  }

  next(matches?: Matches): Promise<string> {
    return this.#stream.next(matches);
  }

  until(matches: Matches): Promise<string[]> {
    return this.#stream.until(matches);
  }

  /** Leaves in good order; resolves once the server knows that the component is away. */
  end(): Promise<void> {
    return this.#stream.end();
  }
}
