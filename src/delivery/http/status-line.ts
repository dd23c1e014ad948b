import type { Agent } from 'node:http';
import type { Socket } from 'node:net';

/** The beginning of a status line (RFC 9112, section 4), as far as it decides. */
const STATUS_LINE = /^HTTP\/\d+(?:\.\d+)?[ \t]+(\d{3})(?=\D)/;
const NAME = 'HTTP/';
/** More of a line is not looked at. */
const LONGEST_BEGINNING = 64;
/** After more than this before the status line the rest is left to Node's parser, which mostly ends the connection. */
const MOST_BYTES_BEFORE = 64 * 1024;
const LINE_FEED = 10;
const SWITCHING_PROTOCOLS = 101;

/**
 * Reads the status of a response before Node's parser does, since the status decides whatever else is wrong with the
 * response, and Node's parser tells none of a head that it dislikes. Lines before the status line are kept from the
 * parser, and so are 1xx responses: after what it dislikes in these it would not read the status line either.
 */
export class StatusReader {
  #status: number | undefined;
  #beginning = '';
  #isFound = false;
  #sawInterim = false;
  #isOdd = false;
  #bytesBefore = 0;

  /** Of the response, once its status line has come. */
  get status(): number | undefined {
    return this.#status;
  }

  /** Whether something came before the status line that is not HTTP. */
  get isOdd(): boolean {
    return this.#isOdd;
  }

  /** To be called when the connection is used for one more request. */
  reset(): void {
    this.#status = undefined;
    this.#beginning = '';
    this.#isFound = false;
    this.#sawInterim = false;
    this.#isOdd = false;
    this.#bytesBefore = 0;
  }

  /** What of a chunk is for Node's parser; undefined: nothing. */
  filter(chunk: Buffer): Buffer | undefined {
    if (this.#isFound) return chunk;
    for (let start = 0; start < chunk.length;) {
      const lineFeed = chunk.indexOf(LINE_FEED, start);
      const end = lineFeed === -1 ? chunk.length : lineFeed + 1;
      const held = this.#beginning;
      const beginningEnd = Math.min(end, start + LONGEST_BEGINNING - held.length);
      this.#beginning = held + chunk.toString('latin1', start, beginningEnd);
      this.#read(end - start);
      if (this.#isFound) {
        const rest = chunk.subarray(start);
        return held === '' ? rest : Buffer.concat([Buffer.from(held, 'latin1'), rest]);
      }
      if (lineFeed !== -1) this.#beginning = '';
      start = end;
    }
    return undefined;
  }

  /** Looks at what is known of a line after `bytes` more of it have come. */
  #read(bytes: number): void {
    const line = this.#beginning;
    if (line.startsWith(NAME)) {
      const digits = STATUS_LINE.exec(line)?.[1];
      // A line that will never be a status line is left to Node's parser, which says what is wrong with it.
      if (digits === undefined) this.#isFound = line.endsWith('\n') || line.length === LONGEST_BEGINNING;
      else this.#take(Number(digits));
    } else if (!NAME.startsWith(line)) {
      this.#isOdd ||= !this.#sawInterim && line.trim() !== '';
      this.#bytesBefore += bytes;
      this.#isFound = this.#bytesBefore > MOST_BYTES_BEFORE;
    }
  }

  #take(status: number): void {
    this.#sawInterim = status < 200 && status !== SWITCHING_PROTOCOLS;
    this.#isFound = !this.#sawInterim;
    if (status >= 200) this.#status = status;
  }
}

const readers = new WeakMap<Socket, StatusReader>();

/** Has the status lines read of all responses that come through an agent. */
export function readStatusLines(agent: Agent): void {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (...args) => {
    const socket = connect(...args) as Socket;
    const reader = new StatusReader();
    const push = socket.push.bind(socket);
    // What the network brings goes through `push`, for TLS decrypted.
    socket.push = (chunk: Buffer | null) => {
      const rest = chunk === null ? null : reader.filter(chunk);
      return rest === undefined || push(rest);
    };
    readers.set(socket, reader);
    return socket;
  };
}

/** Of a connection of such an agent. */
export function readerOf(socket: Socket | null | undefined): StatusReader | undefined {
  return socket ? readers.get(socket) : undefined;
}
