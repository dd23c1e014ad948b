import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';

/**
 * An XMPP user (RFC 6120, RFC 6121): SASL PLAIN without TLS, which only a server on this machine should allow. Knows just
 * enough XML for what Prosody writes. Emits `message` with the text of each message received.
 */
export class XmppClient extends EventEmitter {
  #socket;
  #domain;
  #buffer = '';

  /** Logs in, binds a resource and becomes available; `signal` ends the waiting. */
  static async login({ host, port, domain, user, password, signal }) {
    const socket = connect({ host, port });
    await once(socket, 'connect', { signal });
    const client = new XmppClient(socket, domain);
    await client.#negotiate(user, password, signal);
    socket.on('data', () => client.#emitMessages());
    socket.write('<presence/>');
    return client;
  }

  constructor(socket, domain) {
    super();
    this.#socket = socket;
    this.#domain = domain;
    socket.setEncoding('utf8');
    socket.on('data', (text) => (this.#buffer += text));
    // The server's end is told by whoever watches the server.
    socket.on('error', () => undefined);
  }

  /** Sends a chat message. */
  chat(to, text) {
    this.#socket.write(`<message type='chat' to='${to}'><body>${escape(text)}</body></message>`);
  }

  logOut() {
    this.#socket.end('</stream:stream>');
  }

  async #negotiate(user, password, signal) {
    const credentials = Buffer.from(`\0${user}\0${password}`).toString('base64');
    await this.#openStream(signal);
    this.#socket.write(
      `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${credentials}</auth>`,
    );
    await this.#receive(/<success\b[^>]*>/, signal);
    await this.#openStream(signal);
    this.#socket.write("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    await this.#receive(/<iq\b.*?<\/iq>/, signal);
  }

  async #openStream(signal) {
    this.#socket.write(
      `<stream:stream to='${this.#domain}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`,
    );
    await this.#receive(/<\/stream:features>/, signal);
  }

  async #receive(pattern, signal) {
    for (;;) {
      const refusal =
        /<failure\b.*?<\/failure>|<stream:error\b.*?<\/stream:error>|<iq\b[^>]*type='error'/.exec(
          this.#buffer,
        );
      if (refusal !== null) throw new Error(`Prosody refused the log-in: ${refusal[0]}`);
      if (this.#take(pattern) !== undefined) return;
      await once(this.#socket, 'data', { signal });
    }
  }

  #emitMessages() {
    for (;;) {
      const message = this.#take(/<message\b.*?<\/message>/s);
      if (message === undefined) return;
      const body = /<body>(.*?)<\/body>/s.exec(message)?.[1];
      if (body !== undefined) this.emit('message', unescape(body));
    }
  }

  /** Cuts the first match, and all before it, off what has come in. */
  #take(pattern) {
    const found = pattern.exec(this.#buffer);
    if (found === null) return undefined;
    this.#buffer = this.#buffer.slice(found.index + found[0].length);
    return found[0];
  }
}

const ENTITIES = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' };

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function unescape(text) {
  return text.replaceAll(/&(?:lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity]);
}
