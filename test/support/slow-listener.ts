import { spawn } from 'node:child_process';
import net from 'node:net';
import { onTestFinished } from 'vitest';
import { once } from './wait.ts';

/** A listener on 127.0.0.1 that a TCP connection reaches only after a second, as if it were far away (Linux). */
export interface SlowListener {
  readonly port: number;
  /** To be called once the connection is on its way. */
  arrive(): void;
  /** Resolves with the first bytes that come over the connection. */
  readonly received: Promise<string>;
}

const listener = `
require('node:net')
  .createServer((socket) => socket.on('error', () => undefined).pipe(process.stdout, { end: false }))
  .listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () { console.log(this.address().port); });
`;

/** While its process is stopped its queue is full, so the kernel ignores a first SYN; the second comes a second later. */
export async function startSlowListener(): Promise<SlowListener> {
  const child = spawn(process.execPath, ['-e', listener], { stdio: ['ignore', 'pipe', 'inherit'] });
  const fillers: net.Socket[] = [];
  onTestFinished(() => {
    child.kill('SIGKILL');
    for (const filler of fillers) filler.destroy();
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line);
  child.kill('SIGSTOP');
  for (let count = 0; count < 2; count += 1) {
    const filler = net.connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
    fillers.push(filler);
    await once(filler, 'connect');
  }
  return {
    port,
    arrive: () => void child.kill('SIGCONT'),
    received: once(child.stdout, 'data').then(([data]) => String(data)),
  };
}
