import type { Agent } from 'node:http';
import type { Socket } from 'node:net';

/** The beginning of a status line (RFC 9112, section 4), up to the status. */
const STATUS_LINE = /^HTTP\/\d+(?:\.\d+)?[ \t]+(\d{3})(?=\D)/;
const NAME = 'HTTP/';
/** Characters of a line that are looked at. */
const LONGEST_BEGINNING = 64;
/** After so many bytes without a status line Node's parser decides, which mostly ends the connection. */
const MOST_BYTES_BEFORE = 64 * 1024;
const LINE_FEED = 10;
const SWITCHING_PROTOCOLS = 101;

/**
 * Reads the status of a response before Node's parser does. The status decides, whatever else is wrong with the response,
 * and the parser gives no status for a head that it refuses. The parser is not given the lines before the status line, nor
 * 1xx responses. If it refused one of those, it would not read the status line either.
 */
export class StatusReader {
  #status: number | undefined;
  #beginning = '';
  #isFound = false;
  #sawInterim = false;
  #isOdd = false;
  #bytesBefore = 0;

  /** The status of the response, once its status line has come. */
  get status(): number | undefined {
    return this.#status;
  }

  /** Whether something that is not HTTP came before the status line. */
  get isOdd(): boolean {
    return this.#isOdd;
  }

  /** To be called when the connection is used for the next request. */
  reset(): void {
    this.#status = undefined;
    this.#beginning = '';
    this.#isFound = false;
    this.#sawInterim = false;
    this.#isOdd = false;
    this.#bytesBefore = 0;
  }

  /** The part of a chunk that Node's parser gets; undefined: nothing. */
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

  /** Looks at the beginning of a line after `bytes` more of it have come. */
  #read(bytes: number): void {
    const line = this.#beginning;
    if (line.startsWith(NAME)) {
      const digits = STATUS_LINE.exec(line)?.[1];
      // Node's parser gets a line that can no longer become a status line, and says what is wrong with it.
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

/** Reads the status lines of all responses that come through an agent. */
export function readStatusLines(agent: Agent): void {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (...args) => {
    const socket = connect(...args) as Socket;
    const reader = new StatusReader();
    const push = socket.push.bind(socket);
    // All that the network brings goes through `push`, decrypted for TLS.
    socket.push = (chunk: Buffer | null) => {
      const rest = chunk === null ? null : reader.filter(chunk);
      return rest === undefined || push(rest);
    };
    readers.set(socket, reader);
    return socket;
  };
}

/** The reader of a connection that such an agent made. */
export function readerOf(socket: Socket | null | undefined): StatusReader | undefined {
  return socket ? readers.get(socket) : undefined;
}
