import type { TelemetryConfiguration } from '../config/configuration.ts';
import type { Observe } from '../core/observation.ts';
import type { Sidecar } from '../sidecar.ts';
import { type Command, type CommandContext, exitCodes } from './command.ts';
import { type Prepared, prepare } from './prepare.ts';

export const run: Command = {
  summary: 'connects to the XMPP server and delivers notifications, until SIGTERM or SIGINT',
  takesFile: true,
  async run(context) {
    const stopWanted = firstStopSignal();
    process.on('SIGHUP', () => process.stderr.write('SIGHUP ignored: this version cannot reload\n'));
    let observe: Observe = printFault;
    surviveFaults((observation) => observe(observation));
    const prepared = await Promise.race([prepare(context.file), stopWanted]);
    if (prepared === 'stop') return exitCodes.success;
    if (prepared === undefined) return exitCodes.badConfiguration;
    const sidecar = await start(prepared, context);
    if (sidecar === undefined) return exitCodes.failure;
    observe = sidecar.observe;
    await stopWanted;
    await sidecar.stop();
    return exitCodes.success;
  },
};

/** Resolves with the first SIGTERM or SIGINT; a second one ends the process at once. */
function firstStopSignal(): Promise<'stop'> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = (): void => {
      count += 1;
      if (count === 1) return resolve('stop');
      process.stderr.write('ended by a second signal, without delivering what is under way\n');
      process.exit(exitCodes.failure);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/** Whatever servers, receivers and callback modules make happen, the other notifications still have to be delivered. */
function surviveFaults(observe: Observe): void {
  for (const where of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(where, (error: unknown) => {
      try {
        observe({ kind: 'internal-error', where, error });
      } catch {
        // Telling must not become the next fault.
      }
    });
  }
}

/** Before there is a log, only callback modules run that are being loaded. */
const printFault: Observe = (observation) => {
  if (observation.kind !== 'internal-error') return;
  process.stderr.write(`a callback module failed while it was loaded: ${String(observation.error)}\n`);
};

/** Starts the sidecar, or says on stderr why that is not possible. */
async function start(
  { configuration, backends }: Prepared,
  { version }: CommandContext,
): Promise<Sidecar | undefined> {
  const { startSidecar } = await import('../sidecar.ts');
  try {
    return await startSidecar(configuration, { version, backends });
  } catch (error) {
    process.stderr.write(`${startFailure(error as NodeJS.ErrnoException, configuration.telemetry)}\n`);
    return undefined;
  }
}

function startFailure(error: NodeJS.ErrnoException, { host, port }: TelemetryConfiguration): string {
  if (error.syscall !== 'listen') return `cannot start: ${error.message}`;
  const remedies: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there: choose another port, or 0 for any free one',
    EADDRNOTAVAIL: 'this machine does not have that address',
    EACCES: 'this process may not listen there: choose a port above 1023',
  };
  const reason = remedies[error.code ?? ''] ?? error.message;
  return `cannot start: telemetry.listen is ${host} port ${port}, but ${reason}`;
}
