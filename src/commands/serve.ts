import { resolve } from 'node:path';
import type { Problem } from '../config/reader/problems.ts';
import type { Configuration } from '../config/sections/index.ts';
import { problemCodes } from '../schema/problem-codes.ts';
import type { Observation, Observe } from '../core/observation.ts';
import { labelledPools } from '../delivery/lanes.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { systemClock } from '../node/clock.ts';
import { type Log, openLog } from '../telemetry/log.ts';
import { type Invocation, exitCodes } from './command.ts';
import { type Loaded, prepare } from './prepare.ts';
import { printProblems } from './configuration.ts';
import { serviceManager } from './service-manager.ts';
import { endByForce, type Ending, isLookingUp, NO_NAME_SERVER } from './process-end.ts';

/** The interval of looking whether names are still being looked up, in milliseconds. */
const LOOK_AGAIN_MS = 20;

/** Runs the sidecar until a stop is wanted; resolves to the exit code. What keeps it from starting is in the log, too. */
export async function serve(
  invocation: Invocation,
  stopWanted: Promise<'stop'>,
  ending: Ending,
): Promise<number> {
  const log = openLog({ level: 'info', version: invocation.version, clock: systemClock });
  let observe: Observe = (observation) => {
    printFault(observation);
    log.observe(observation);
  };
  surviveFaults((observation) => observe(observation));
  const tell = (problems: readonly Problem[]): void => {
    printProblems(problems);
    for (const problem of problems) log.observe(problemObservation(problem));
  };
  const prepared = await Promise.race([prepare(invocation, tell), stopWanted]);
  if (prepared === 'stop') return exitCodes.success;
  if (prepared === undefined) return exitCodes.badConfiguration;
  log.setLevel(prepared.configuration.log.level);
  log.observe(startingObservation(invocation.file, prepared));
  const sidecar = await start(prepared, { version: invocation.version, log });
  if (sidecar === undefined) return exitCodes.failure;
  observe = sidecar.observe;
  ending.isStuck = sidecar.isStuck;
  const manager = serviceManager({
    environment: process.env,
    pid: process.pid,
    onFailure: (reason) => observe({ kind: 'supervisor-unreachable', reason }),
  });
  manager.ready();
  await stopWanted;
  manager.stopping();
  return stop(sidecar, prepared.configuration.shutdownTimeoutMs);
}

/** Stops the sidecar, and sees to it that the process can end then; resolves to the exit code. */
async function stop(sidecar: Sidecar, timeoutMs: number): Promise<number> {
  const dueMs = systemClock.monotonic() + timeoutMs;
  await sidecar.stop();
  if (sidecar.isStuck()) return endByForce('the outbox does not respond, and shutdown_timeout is over');
  if (!(await lookUpsEnd(dueMs))) return endByForce(`${NO_NAME_SERVER}, and shutdown_timeout is over`);
  return exitCodes.success;
}

/** Waits until no name is being looked up; false if that lasts until `dueMs`. */
async function lookUpsEnd(dueMs: number): Promise<boolean> {
  while (isLookingUp()) {
    if (systemClock.monotonic() >= dueMs) return false;
    await new Promise<void>((resolve) => void systemClock.after(LOOK_AGAIN_MS, resolve));
  }
  return true;
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

/** Before the sidecar has started only callback modules run, and no user has written anything that an error could quote. */
const printFault: Observe = (observation) => {
  if (observation.kind !== 'internal-error') return;
  process.stderr.write(`a callback module failed while it was loaded: ${String(observation.error)}\n`);
};

function problemObservation({ file, line, column, code, message }: Problem): Observation {
  const { severity } = problemCodes[code];
  return { kind: 'configuration-problem', file, line, column, severity, code, message };
}

function startingObservation(file: string, { configuration, backends }: Loaded): Observation {
  const { engine } = configuration.outbox;
  return {
    kind: 'sidecar-starting',
    node: process.version,
    file: resolve(file),
    outbox: { engine: engine.name, ...engine.place },
    // The path of a server may be a secret.
    pools: [...labelledPools(configuration)].map(([pool, { server }]) => ({
      pool,
      server: new URL(server).origin,
    })),
    backends: backends.map(({ name }) => name),
  };
}

/** Starts the sidecar, or says why that is not possible. */
async function start(
  { configuration, backends, entered }: Loaded,
  { version, log }: { readonly version: string; readonly log: Log },
): Promise<Sidecar | undefined> {
  try {
    return await startSidecar(configuration, { version, backends, entered, log });
  } catch (error) {
    const reason = startFailure(error as NodeJS.ErrnoException, configuration.telemetry);
    process.stderr.write(`cannot start: ${reason}\n`);
    log.observe({ kind: 'start-failed', reason });
    return undefined;
  }
}

function startFailure(error: NodeJS.ErrnoException, { host, port }: Configuration['telemetry']): string {
  if (error.syscall !== 'listen') return error.message;
  const remedies: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there: choose another port, or 0 for any free one',
    EADDRNOTAVAIL: 'this machine does not have that address',
    EACCES: 'this process may not listen there: choose a port above 1023',
  };
  const reason = remedies[error.code ?? ''] ?? error.message;
  return `telemetry.listen is ${host} port ${port}, but ${reason}`;
}
