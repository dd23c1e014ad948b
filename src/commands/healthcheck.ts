import { readFileSync } from 'node:fs';
import { type Address, plainListen } from '../config/listen.ts';
import { type Command, exitCodes } from './command.ts';

// Not imported: that reads every export of it, which takes a fifth as long as Node to start.
const net = process.getBuiltinModule('node:net');

/** Container engines wait longer than this for the end of the command (Docker: 30 s by default). */
const TIMEOUT_MS = 5000;

export const healthcheck: Command = {
  summary: 'succeeds while a running sidecar is ready, for containers',
  takesFile: true,
  async run({ file }) {
    const address = await addressIn(file);
    const reason = address === undefined ? 'the configuration is not good' : await unreadyReason(address);
    if (reason === undefined) return exitCodes.success;
    process.stderr.write(`not ready: ${reason}\n`);
    return exitCodes.failure;
  },
};

/** Loads no more than it must: a container engine asks every few seconds, and a YAML parser takes long to load. */
async function addressIn(file: string): Promise<Address | undefined> {
  const plain = plainListen(textOf(file));
  if (plain !== undefined) return plain;
  const { readSection } = await import('./configuration.ts');
  return readSection('telemetry', file);
}

/** What cannot be read has no text: then the other reader says why. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function unreadyReason(address: Address): Promise<string | undefined> {
  const { host, port } = address;
  if (port === 0) return 'telemetry.listen has port 0, so nobody can know the real one: give it a fixed port';
  try {
    const { status, body } = await ask(address, '/readyz', TIMEOUT_MS);
    return status === 200 ? undefined : `/readyz responds with ${status}: ${body.trim()}`;
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    if (code === 'ETIMEDOUT') return `no response from ${host} port ${port} within ${TIMEOUT_MS} ms`;
    return `no response from ${host} port ${port} (${code ?? name}): is the sidecar running?`;
  }
}

interface Asked {
  readonly status: number;
  readonly body: string;
}

/** More than a sidecar ever says of itself. */
const MOST_BYTES = 65_536;

/**
 * GETs a path of a sidecar (HTTP/1.0, so that the response ends with the connection). Not by `node:http`, which takes longer
 * to load than Node to start.
 * @throws Error with Node's code: ECONNRESET too where a response is cut off or none, ETIMEDOUT.
 */
function ask({ host, port }: Address, path: string, timeoutMs: number): Promise<Asked> {
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
