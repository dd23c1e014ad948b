import type { Address } from '../config/listen.ts';

interface Asked {
  readonly status: number;
  readonly body: string;
}

// Not imported: that reads every export of it, which takes a fifth as long as Node to start.
const net = process.getBuiltinModule('node:net');

/** More than a sidecar ever says of itself. */
const MOST_BYTES = 65_536;

/**
 * GETs a path of a sidecar (HTTP/1.0, so that the response ends with the connection). Not by `node:http`, which takes longer
 * to load than Node to start.
 * @throws Error with Node's code: ECONNRESET too where a response is cut off or none, ETIMEDOUT.
 */
export function ask({ host, port }: Address, path: string, timeoutMs: number): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port });
    let text = '';
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      const asked = responseIn(text);
      if (asked === undefined) reject(Object.assign(new Error('no whole response'), { code: 'ECONNRESET' }));
      else resolve(asked);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(Object.assign(new Error('no response in time'), { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    socket.setEncoding('latin1').on('end', end);
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.on('data', (data: string) => {
      text += data;
      if (text.length > MOST_BYTES || isWhole(text)) end();
    });
    socket.write(`GET ${path} HTTP/1.0\r\nhost: ${host.includes(':') ? `[${host}]` : host}\r\n\r\n`);
  });
}

const HEAD = /^HTTP\/1\.[01] (\d{3})[^]*?\r\n\r\n/;
const LENGTH = /\r\ncontent-length: *(\d+)\r\n/i;

function isWhole(text: string): boolean {
  const [head] = HEAD.exec(text) ?? [];
  const length = LENGTH.exec(head ?? '')?.[1];
  return head !== undefined && length !== undefined && text.length >= head.length + Number(length);
}

/** What came until the end; undefined if that is not all. */
function responseIn(text: string): Asked | undefined {
  const [head, status] = HEAD.exec(text) ?? [];
  if (head === undefined || (LENGTH.test(head) && !isWhole(text))) return undefined;
  const body = Buffer.from(text.slice(head.length), 'latin1').toString();
  return { status: Number(status), body };
}
