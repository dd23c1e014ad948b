import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { folderWith, spoilt } from '../config/load-text.ts';
import { startCallbackProcess } from '../support/callback-process.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { closedPort } from '../support/closed-port.ts';
import { missingForNotify, openNotifySocket } from '../support/notify-socket.ts';

/** Starts a sidecar whose XMPP server is away. */
async function run(environment: Record<string, string>): Promise<RunningCli> {
  const text = spoilt('5347', String(await closedPort())).concat('telemetry: { listen: "127.0.0.1:0" }\n');
  const folder = await folderWith({ 'x.yaml': text });
  return startCli(['run', '-c', 'x.yaml'], { folder, environment });
}

const missing = missingForNotify();
const suffix = missing === undefined ? '' : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`systemd, where it started the sidecar${suffix}`, () => {
  it('is told that the sidecar is up though the XMPP server is away, and that it stops', async () => {
    const socket = await openNotifySocket();
    const sidecar = await run({ NOTIFY_SOCKET: socket.path });
    await socket.heard('READY=1');
    await sidecar.logged('telemetry-listening');
    sidecar.process.kill('SIGTERM');
    await socket.heard('STOPPING=1');
    expect(await sidecar.ended).toMatchObject({ code: 0 });
    expect(socket.told()).toEqual(['READY=1', 'STOPPING=1']);
  });

  it('is told nothing by one that cannot start', async () => {
    const socket = await openNotifySocket();
    const text = spoilt('5347', '5347').concat('telemetry: { listen: "192.0.2.1:1" }\n');
    const folder = await folderWith({ 'x.yaml': text });
    const cli = startCli(['run', '-c', 'x.yaml'], { folder, environment: { NOTIFY_SOCKET: socket.path } });
    expect(await cli.ended).toMatchObject({ code: 1 });
    expect(socket.told()).toEqual([]);
  });

  it('gets signs of life as often as it wants them', async () => {
    const socket = await openNotifySocket();
    await run({ NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '200000' });
    await socket.heard('READY=1');
    await socket.heard('WATCHDOG=1', 5);
  });

  it('gets none if it wants those of another process', async () => {
    const socket = await openNotifySocket();
    const sidecar = await run({ NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' });
    await socket.heard('READY=1');
    await pause(500);
    sidecar.process.kill('SIGTERM');
    await sidecar.ended;
    expect(socket.told()).not.toContain('WATCHDOG=1');
  });

  it('gets none of a main thread that hangs, so that it starts the sidecar again', async () => {
    const socket = await openNotifySocket();
    const sidecar = await startCallbackProcess({
      backends: { hangs: 'export const shouldMakeReq = () => { for (;;); };' },
      pusher: { callback_stall_limit: 600_000 },
      environment: { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '200000' },
    });
    await socket.heard('WATCHDOG=1');
    sidecar.chat('Hi');
    // What was on its way may still come.
    await pause(2000);
    const { length } = socket.told();
    await pause(2000);
    expect(socket.told()).toHaveLength(length);
  });
});

describe('a sidecar that cannot tell systemd anything', () => {
  it('says so once, and goes on', async () => {
    const folder = await folderWith({});
    const sidecar = await run({ NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '20000', PATH: folder });
    expect(await sidecar.logged('supervisor-unreachable')).toMatchObject({
      level: 'warn',
      reason: 'spawn systemd-notify ENOENT',
    });
    sidecar.process.kill('SIGTERM');
    const { code, stdout } = await sidecar.ended;
    expect(code).toBe(0);
    expect(stdout.match(/supervisor-unreachable/g)).toHaveLength(1);
  });
});
