// An XMPP server's port for components (XEP-0114) that lets one component in and sends it what was prepared.
import { once } from 'node:events';
import net from 'node:net';
import { COMPONENT } from './stanzas.mjs';

const HEADER =
  `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ` +
  `xmlns:stream='http://etherx.jabber.org/streams' from='${COMPONENT}' id='bench'>`;

/** Listens on loopback; the secret is not checked. */
export async function startComponentServer() {
  const server = net.createServer({ noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let socket;
  const connected = once(server, 'connection').then(([connection]) => {
    socket = connection;
    return new Component(connection);
  });
  return {
    service: `xmpp://127.0.0.1:${server.address().port}`,
    component: connected,
    stop: () => {
      server.close();
      socket?.destroy();
    },
  };
}

class Component {
  #socket;
  #received = '';
  #pings = 0;
  #onPong = new Map();

  constructor(socket) {
    this.#socket = socket;
    socket.setEncoding('utf8').on('error', () => undefined);
    socket.on('data', (text) => this.#read(text));
  }

  /** Writes as fast as the component reads; resolves when all has left this process. */
  async send(bytes, times = 1) {
    for (let time = 0; time < times; time += 1) {
      if (!this.#socket.write(bytes)) await once(this.#socket, 'drain');
    }
  }

  /** So many stanzas a second, a few each millisecond; gives their number. */
  async pace(make, { perSecond, seconds }) {
    const from = performance.now();
    let sent = 0;
    while (sent < perSecond * seconds) {
      const due = Math.min(perSecond * seconds, ((performance.now() - from) / 1000) * perSecond);
      let text = '';
      for (; sent < due; sent += 1) text += make(sent);
      if (text !== '') this.#socket.write(text);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return sent;
  }

  /** Resolves when the component has read all that was sent before: it answers iqs in the order of arrival. */
  ping() {
    this.#pings += 1;
    const id = `ping-${this.#pings}`;
    this.#socket.write(
      `<iq type='get' id='${id}' from='example.com' to='${COMPONENT}'><ping xmlns='urn:xmpp:ping'/></iq>`,
    );
    return new Promise((resolve) => this.#onPong.set(id, resolve));
  }

  #read(text) {
    this.#received += text;
    if (this.#received.includes('<stream:stream')) {
      this.#received = '';
      this.#socket.write(HEADER);
    } else if (this.#received.includes('</handshake>')) {
      this.#received = '';
      this.#socket.write('<handshake/>');
    }
    for (const [tag] of this.#received.matchAll(/<iq [^>]*>/g)) this.#answer(tag);
    const end = this.#received.lastIndexOf('>');
    this.#received = this.#received.slice(end + 1);
  }

  #answer(tag) {
    const attribute = (name) => new RegExp(` ${name}=["']([^"']*)`).exec(tag)?.[1];
    const id = attribute('id');
    if (attribute('type') === 'get') {
      this.#socket.write(`<iq type='result' id='${id}' from='${attribute('to')}' to='${COMPONENT}'/>`);
    } else {
      this.#onPong.get(id)?.();
      this.#onPong.delete(id);
    }
  }
}
