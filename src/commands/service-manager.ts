import { spawn } from 'node:child_process';

/** The program that speaks to systemd: that takes a kind of socket that Node lacks. */
const NOTIFIER = 'systemd-notify';

/** systemd, if it has started this process and wants to know how it is (sd_notify(3), `Type=notify`). */
export interface ServiceManager {
  /** The sidecar is up; from now on the main thread gives signs of life, if they are wanted (`WatchdogSec=`). */
  ready(): void;
  stopping(): void;
}

export interface ServiceManagerOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** Called with the first reason for which it could not be told. */
  readonly onFailure: (reason: string) => void;
}

/** The service manager of this process; one that does nothing where there is none. */
export function serviceManager({ environment, pid, onFailure }: ServiceManagerOptions): ServiceManager {
  if (environment['NOTIFY_SOCKET'] === undefined)
    return { ready: () => undefined, stopping: () => undefined };
  let hasFailed = false;
  const fail = (reason: string): void => {
    if (!hasFailed) onFailure(reason);
    hasFailed = true;
  };
  const tell = (...variables: string[]): void => {
    const notifier = spawn(NOTIFIER, variables, { stdio: 'ignore' });
    notifier.on('error', ({ message }) => fail(message));
    notifier.on('exit', (code) => code !== 0 && fail(`${NOTIFIER} ended with ${code ?? 'a signal'}`));
    notifier.unref();
  };
  return {
    ready: () => {
      tell('READY=1');
      const intervalMs = watchdogMs(environment, pid) / 2;
      if (intervalMs > 0) setInterval(() => tell('WATCHDOG=1'), intervalMs).unref();
    },
    stopping: () => tell('STOPPING=1'),
  };
}

/** How long the service manager waits for a sign of life (sd_watchdog_enabled(3)); 0: it wants none of this process. */
function watchdogMs(
  { WATCHDOG_USEC: microseconds, WATCHDOG_PID: wanted }: ServiceManagerOptions['environment'],
  pid: number,
): number {
  return wanted === undefined || wanted === String(pid) ? Math.floor(Number(microseconds ?? 0) / 1000) : 0;
}
