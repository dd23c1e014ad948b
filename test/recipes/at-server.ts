import { onTestFinished } from 'vitest';
import { type RunningSidecar, startSidecar } from '../support/sidecar.ts';
import { startXmppServer, type XmppPeer } from '../support/xmpp-server.ts';

export const DOMAIN = 'push.example.com';

export interface AtServerOptions {
  readonly taps?: readonly string[];
  /** URL of the only pool's server; by default nobody listens there. */
  readonly receiver?: string;
  readonly outbox?: object;
}

/** Runs a sidecar that followed a recipe, and welcomes it at a scripted XMPP server. */
export async function runAtServer(
  main: string,
  { taps = ['direct'], receiver = 'http://127.0.0.1:1', ...rest }: AtServerOptions = {},
): Promise<{ sidecar: RunningSidecar; peer: XmppPeer }> {
  const server = await startXmppServer();
  const sidecar = await startSidecar(
    {
      component: { service: server.service, domain: DOMAIN, secret: 'secret', taps },
      outgoing_pools: [{ tag: 'http_pool', workers: 1, server: receiver }],
      mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
      outbox: { engine: 'memory' },
      ...rest,
    },
    { main },
  );
  onTestFinished(() => sidecar.kill());
  return { sidecar, peer: await server.welcome() };
}
