import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { dieWithParent } from '../support/sidecar.ts';
import { watch } from '../support/watch.ts';
import { allow } from '../support/limits.ts';

allow('servers');

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A sidecar that may be killed at any moment, also while it starts. */
export interface SidecarProcess {
  /** The ids in the log lines of an event so far. */
  idsOf(event: 'notification-accepted' | 'notification-delivered'): string[];
  /** How many lines of an event there are. */
  count(event: string): number;
  /** Resolves with the port of the telemetry listener; rejects with its complaints if it ends without one. */
  readonly telemetry: Promise<number>;
  /** Sends a signal; resolves when the process has ended, with its code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  readonly complaints: string;
}

/** Starts `xmpp-event-pusher run` with a configuration file that logs at level trace. */
export function startSidecarProcess(file: string): SidecarProcess {
  const child = spawn(process.execPath, ['--import', dieWithParent, main, 'run', '-c', file], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: { readonly event: string; readonly webhook_id?: string; readonly port?: number }[] = [];
  let rest = '';
  let complaints = '';
  const ended = once(child, 'close') as Promise<[number | null]>;
  const { tell, seen } = watch(ended, () => complaints);
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    const complete = (rest + chunk).split('\n');
    // A line that a kill has cut off says nothing.
    rest = complete.pop() ?? '';
    lines.push(...complete.map((line) => JSON.parse(line) as (typeof lines)[number]));
    tell();
  });
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (complaints += chunk));
  const telemetry = seen('telemetry-listening', () =>
    lines.find(({ event }) => event === 'telemetry-listening'),
  ).then(({ port }) => port ?? 0);
  // One that is killed before has none.
  telemetry.catch(() => undefined);
  return {
    idsOf: (event) => lines.filter((line) => line.event === event).map((line) => line.webhook_id ?? ''),
    count: (event) => lines.filter((line) => line.event === event).length,
    telemetry,
    end: async (signal) => {
      child.kill(signal);
      const [code] = await ended;
      return code;
    },
    get complaints() {
      return complaints;
    },
  };
}
