import { randomUUID } from 'node:crypto';
import { containing, XmlStream, type Matches } from './xml-stream.ts';

export interface ClientOptions {
  readonly port: number;
  readonly domain: string;
  readonly user: string;
  readonly password: string;
  /** Without it the server chooses one. */
  readonly resource?: string;
}

/** A user's connection: SASL PLAIN without TLS (loopback test servers only), and whatever XML a test writes. */
export class Client {
  /** The full JID that the server bound. */
  readonly jid: string;
  readonly #stream: XmlStream;

  private constructor(stream: XmlStream, jid: string) {
    this.#stream = stream;
    this.jid = jid;
  }

  /** Connects, logs in and binds the resource; sends no presence. */
  static async login({ port, domain, user, password, resource }: ClientOptions): Promise<Client> {
    const stream = await XmlStream.connect(port);
    const header = `xmlns='jabber:client' version='1.0' to='${domain}'`;
    const open = async (): Promise<void> => {
      await stream.open(header);
      await stream.next(containing('<stream:features'));
    };
    await open();
    const credentials = Buffer.from(`\0${user}\0${password}`).toString('base64');
    stream.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${credentials}</auth>`);
    const reply = await stream.next();
    if (!reply.startsWith('<success')) throw new Error(`${user}@${domain} was not let in: ${reply}`);
    await open();
    const wish = resource === undefined ? '' : `<resource>${resource}</resource>`;
    const bound = await request(
      stream,
      'set',
      `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${wish}</bind>`,
    );
    const jid = /<jid>(.*?)<\/jid>/.exec(bound)?.[1];
    if (jid === undefined) throw new Error(`${user}@${domain} got no resource: ${bound}`);
    return new Client(stream, jid);
  }

  /** Everything that came on this connection, oldest first. */
  get received(): readonly string[] {
    return this.#stream.received;
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

  /** Sends an iq and resolves with its result or error. */
  iq(type: 'get' | 'set', payload: string, to?: string): Promise<string> {
    return request(this.#stream, type, payload, to);
  }

  /** Waits until the server has handled everything that this client has sent so far. */
  async settled(): Promise<void> {
    await this.iq('get', "<ping xmlns='urn:xmpp:ping'/>");
  }

  /** Becomes available, and waits for the server to say so (RFC 6121, section 4.2.2). */
  async presence(children = ''): Promise<void> {
    this.send(`<presence>${children}</presence>`);
    await this.next((stanza) => stanza.startsWith('<presence') && stanza.includes(this.jid));
  }

  /** Turns message carbons on (XEP-0280). */
  async enableCarbons(): Promise<void> {
    await this.iq('set', "<enable xmlns='urn:xmpp:carbons:2'/>");
  }

  /** Enters a room (XEP-0045, section 7.2), and waits for the subject, which comes last. */
  async join(room: string, nickname: string): Promise<void> {
    this.send(`<presence to='${room}/${nickname}'><x xmlns='http://jabber.org/protocol/muc'/></presence>`);
    await this.next((stanza) => stanza.startsWith('<message') && stanza.includes('<subject'));
  }

  /** Logs out in good order. */
  end(): Promise<void> {
    return this.#stream.end();
  }

  /** Cuts the connection, as a lost network does. */
  destroy(): Promise<void> {
    return this.#stream.destroy();
  }
}

function request(stream: XmlStream, type: 'get' | 'set', payload: string, to?: string): Promise<string> {
  const id = randomUUID();
  stream.send(`<iq type='${type}' id='${id}'${to === undefined ? '' : ` to='${to}'`}>${payload}</iq>`);
  return stream.next((stanza) => stanza.startsWith('<iq') && stanza.includes(id));
}
