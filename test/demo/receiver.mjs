// A receiver of notifications, as small as one can be. By itself (PORT=8000 node receiver.mjs) it prints each as JSON.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** Calls `onNotification` with every request; resolves to its port and what ends it. Port 0 is any free one. */
export async function startReceiver({ host, port, onNotification }) {
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    text(request).then(
      (body) => {
        response.writeHead(204).end();
        onNotification({ method, url, headers, body });
      },
      // Whoever sent it has died meanwhile.
      () => undefined,
    );
  });
  server.listen(port, host);
  await once(server, 'listening');
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { port: server.address().port, stop };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await startReceiver({
    host: '0.0.0.0',
    port: Number(process.env.PORT ?? 8000),
    onNotification: (notification) => console.log(JSON.stringify(notification)),
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
}
