import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { once } from './wait.ts';

export const NAME = 'receiver.test';
export const FIRST = '127.0.0.1';
export const SECOND = '127.0.0.2';
const NAME_SERVER = '127.0.0.77';

/**
 * A command that runs another one where a name has two addresses, first that of the slow receiver, and every other name
 * is asked for at a name server.
 */
export async function twoAddresses(skip: (reason: string) => never): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'names-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'hosts'), `${FIRST} ${NAME}\n${SECOND} ${NAME}\n`);
  await writeFile(join(folder, 'resolv.conf'), `nameserver ${NAME_SERVER}\n`);
  const mounts = ['hosts', 'resolv.conf'].map((name) => `mount --bind ${folder}/${name} /etc/${name} && `);
  const namespaces = process.getuid?.() === 0 ? '-m' : '-rm';
  const command = ['unshare', namespaces, 'sh', '-c', `${mounts.join('')}exec "$@"`, 'sh'];
  const look = `require('dns').lookup('${NAME}', { all: true }, (_, all) => console.log(all.map((a) => a.address).join()))`;
  const [program, ...args] = [...command, process.execPath, '-e', look];
  const { stdout, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined || stdout.trim() !== `${FIRST},${SECOND}`) {
    skip('no mount namespace with an /etc/hosts of its own');
  }
  return command;
}

/** A name server that never responds; `asked` is how often it was asked. */
export async function startSilentNameServer(skip: (reason: string) => never) {
  const server = dgram.createSocket('udp4');
  const seen = { asked: 0 };
  server.on('message', () => (seen.asked += 1));
  onTestFinished(() => void server.close());
  server.bind(53, NAME_SERVER);
  await once(server, 'listening').catch(() => skip(`nobody may be a name server at ${NAME_SERVER}`));
  return seen;
}
