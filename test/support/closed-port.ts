import net, { type AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { once } from './wait.ts';

/** A port of 127.0.0.1 at which nobody listens, nor will until the test is over: it is the client's end of a connection. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [net.Socket],
    unknown,
  ];
  onTestFinished(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  return client.localPort ?? 0;
}
