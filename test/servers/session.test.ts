import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { sidecarLines } from '../support/pages.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { describeWithServer } from '../support/servers/availability.ts';
import type { Client } from '../support/servers/client.ts';
import { startEjabberd } from '../support/servers/ejabberd.ts';
import { startProsody } from '../support/servers/prosody.ts';
import { COMPONENT, COMPONENT_SECRET, forTests, type RunningServer } from '../support/servers/server.ts';
import type { LogLine } from '../support/cli.ts';
import { type RunningSidecar, startSidecar } from '../support/sidecar.ts';

interface Options {
  readonly port: number;
  readonly receiver?: Receiver;
  readonly timeouts?: object;
}

/** A sidecar as the page about the server has it, which ends with the test. */
async function sidecarAt(server: RunningServer, { port, receiver, timeouts = {} }: Options) {
  const shown = parse(forTests(sidecarLines(server.name, 'forwarded'))) as { component: object };
  const sidecar = await startSidecar({
    component: {
      ...shown.component,
      service: `xmpp://127.0.0.1:${port}`,
      secret: COMPONENT_SECRET,
      timeouts,
    },
    outgoing_pools: [
      { tag: 'http_pool', server: receiver?.url ?? 'http://127.0.0.1:1', request_timeout: 20_000 },
    ],
    mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
    outbox: { engine: 'memory' },
  });
  onTestFinished(() => sidecar.kill());
  return sidecar;
}

/** Waits for a line of this event that is not among the lines that there were before. */
function loggedAfter(sidecar: RunningSidecar, before: number, event: string): Promise<LogLine> {
  return sidecar.logged(event, (line) => sidecar.lines.indexOf(line) >= before);
}

describeWithServer('prosody', 'a server that keeps the connection and routes nothing to it', () => {
  let server: RunningServer;
  let receiver: Receiver;
  let alice: Client;

  beforeAll(async () => {
    server = await startProsody({ tap: 'module' });
    receiver = await startReceiver();
    alice = await server.login('alice', 'Desk');
  });
  afterAll(async () => {
    await receiver?.stop();
    await server?.stop();
  });

  it.each([
    ['the component module was reloaded', [`module:reload("component", "${COMPONENT}")`]],
    [
      "the component's host was deactivated and activated again",
      [`host:deactivate("${COMPONENT}")`, `host:activate("${COMPONENT}")`],
    ],
  ])('because %s is left, and what users do next is notified', async (_what, commands) => {
    const sidecar = await sidecarAt(server, {
      port: server.componentPort,
      receiver,
      timeouts: { ping: 500 },
    });
    await sidecar.logged('component-online');
    const before = sidecar.lines.length;
    for (const command of commands) await server.shell(command);
    const { code } = await loggedAfter(sidecar, before, 'component-offline');
    await loggedAfter(sidecar, before, 'component-online');
    expect(code).toBe('route-lost');
    const text = crypto.randomUUID();
    alice.send(`<message to='bob@localhost' type='chat'><body>${text}</body></message>`);
    await receiver.next(({ body }) => body.includes(text));
    const { sum } = await sidecar.metrics();
    expect(sum('event_pusher_component_disconnects_total', { reason: 'route-lost' })).toBe(1);
    expect(sum('event_pusher_component_disconnects_total')).toBe(1);
  });
});

describeWithServer('ejabberd', 'two sidecars that are connected for one domain', () => {
  it('both say so once, and neither takes its route for lost', async () => {
    const server = await startEjabberd();
    onTestFinished(() => server.stop());
    const options = { port: server.componentPort, timeouts: { ping: 200 } };
    const sidecars = await Promise.all([sidecarAt(server, options), sidecarAt(server, options)]);
    await Promise.all(sidecars.map((sidecar) => sidecar.logged('second-component')));
    for (const sidecar of sidecars) {
      // Some fifty intervals: of those without any ping that came back, two would follow each other now and then.
      while ((await sidecar.metrics()).sum('event_pusher_second_component_pings_total') < 100);
      expect(sidecar.lines.filter(({ event }) => event === 'second-component')).toHaveLength(1);
      expect(sidecar.lines.filter(({ event }) => event === 'component-offline')).toEqual([]);
    }
  });
});

for (const [name, start] of [
  ['prosody', startProsody],
  ['ejabberd', startEjabberd],
] as const) {
  describeWithServer(name, 'a sidecar that is sent to the port for clients', () => {
    it('says that it needs the port for components', async () => {
      const server = await start();
      onTestFinished(() => server.stop());
      const sidecar = await sidecarAt(server, { port: server.c2sPort });
      const { code, reason } = await sidecar.logged('component-offline');
      expect(code).toBe('wrong-port');
      expect(reason).toBe(
        `xmpp://127.0.0.1:${server.c2sPort} is the server's port for clients (c2s), not for components: ` +
          'give the port for components in component.service (5347 unless the server says otherwise)',
      );
    });
  });
}
