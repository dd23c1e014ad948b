import { readFileSync } from 'node:fs';
import { type Address, plainListen } from '../config/listen.ts';
import { type Command, exitCodes } from './command.ts';
import { ask } from './ask.ts';

/** Container engines wait longer than this for an answer (Docker: 30 s unless told otherwise). */
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

/** Looks at no more than it must: a container engine asks every few seconds, and what reads YAML takes long to load. */
async function addressIn(file: string): Promise<Address | undefined> {
  const plain = plainListen(textOf(file));
  if (plain !== undefined) return plain;
  const { readTelemetry } = await import('./read-section.ts');
  return readTelemetry(file);
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
