import { onTestFinished } from 'vitest';
import { folderWith } from '../config/load-text.ts';
import { closedPort } from './closed-port.ts';
import { type CliResult, type RunningCli, runCli, startCli } from './cli.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { startXmppServer } from './xmpp-server.ts';
import { allow } from './limits.ts';

allow('processes');

export interface CallbackProcessOptions {
  /** Source of each backend's callback module by the backend's name; '' for the default callback. */
  readonly backends: Record<string, string>;
  /** Ending of the modules' names; default mjs. */
  readonly ending?: string;
  /** More of the section `mod_event_pusher`. */
  readonly pusher?: object;
  readonly environment?: Record<string, string>;
  /** A program that starts it, with its arguments. */
  readonly through?: readonly string[];
  /** Files beside the modules. */
  readonly files?: Record<string, string>;
}

/** A sidecar with callback modules between a scripted XMPP server and a receiver, each a process or a real socket. */
export interface CallbackProcess extends RunningCli {
  readonly receiver: Receiver;
  /** Sends a chat message to the component. */
  chat(text: string): void;
  /** The text of /metrics. */
  metrics(): Promise<string>;
}

async function folderFor(
  { backends, ending = 'mjs', pusher = {}, files = {} }: CallbackProcessOptions,
  { service, server }: { service: string; server: string },
): Promise<string> {
  const configuration = {
    component: { service, domain: 'push.example.com', secret: 'secret', trusted_domains: ['example.com'] },
    outgoing_pools: [{ tag: 'http_pool', server }],
    mod_event_pusher: {
      backends: Object.entries(backends).map(([name, source]) => ({
        http: {
          name,
          pool_name: 'http_pool',
          path: `/${name}`,
          ...(source !== '' && { callback_module: `./${name}.${ending}` }),
        },
      })),
      ...pusher,
    },
    telemetry: { listen: '127.0.0.1:0' },
    outbox: { engine: 'memory' },
  };
  const modules = Object.entries(backends).map(([name, source]) => [`${name}.${ending}`, source]);
  return folderWith({
    ...files,
    ...Object.fromEntries(modules),
    'x.yaml': JSON.stringify(configuration, null, 1),
  });
}

/** What `check` says of callback modules. */
export async function checkModules(options: CallbackProcessOptions): Promise<CliResult> {
  const nobody = await closedPort();
  const folder = await folderFor(options, {
    service: `xmpp://127.0.0.1:${nobody}`,
    server: 'http://127.0.0.1:8000',
  });
  return runCli(['check', '-c', 'x.yaml'], { folder });
}

/** Starts a sidecar and lets it connect. */
export async function startCallbackProcess(options: CallbackProcessOptions): Promise<CallbackProcess> {
  const xmpp = await startXmppServer();
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const folder = await folderFor(options, { service: xmpp.service, server: receiver.url });
  const { environment = {}, through = [] } = options;
  const cli = startCli(['run', '-c', 'x.yaml'], { folder, environment, through });
  const peer = await Promise.race([
    xmpp.welcome(),
    cli.ended.then(({ stdout, stderr }): never => {
      throw new Error(`ended before it connected: ${stdout}${stderr}`);
    }),
  ]);
  return {
    ...cli,
    receiver,
    chat: (text) =>
      peer.write(
        `<message from='alice@example.com/a' to='push.example.com' type='chat'><body>${text}</body></message>`,
      ),
    metrics: async () => {
      const { port } = await cli.logged('telemetry-listening');
      return (await fetch(`http://127.0.0.1:${String(port)}/metrics`)).text();
    },
  };
}
