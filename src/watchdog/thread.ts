import { write } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { CallbackName } from '../core/observation.ts';
import { StallJudge } from './stall.ts';
import { ABANDONED, ENTERED, fromPlace, NOTHING, type Step, TURNS } from './entered.ts';
import { stopMainThread } from './main-thread.ts';
import type { Abandoned, ThreadOptions } from './watchdog.ts';

/** How long each part of the end may take: finding out where the main thread is, and telling of it. */
const PATIENCE_MS = 2000;
/** A pipe that is full takes nothing at once; its reader may make room. */
const FULL_PIPE_MS = 20;
const STDOUT = 1;

const { memory, limitMs, intervalMs, backends, version } = workerData as ThreadOptions;
const judge = new StallJudge(limitMs, intervalMs);

let isIntervening = false;

setInterval(() => {
  if (isIntervening) return;
  const entered = Atomics.load(memory, ENTERED);
  const isStill = judge.look(performance.now(), Atomics.load(memory, TURNS));
  // What stands still before the first callback, or between loading and that, is no callback module's fault.
  if (entered === NOTHING) return judge.forgive();
  if (!isStill) return;
  isIntervening = true;
  void intervene(fromPlace(entered)).then(() => {
    judge.forgive();
    isIntervening = false;
  });
}, intervalMs);
parentPort?.postMessage('ready');

interface Suspect {
  readonly backend: number;
  readonly step: Step;
}

async function intervene({ backend, step }: Suspect): Promise<void> {
  const turns = Atomics.load(memory, TURNS);
  const main = await stopMainThread(PATIENCE_MS).catch(() => undefined);
  // It was about to turn.
  if (Atomics.load(memory, TURNS) !== turns) return main?.release();
  if (step === 'loading' && main?.abandon !== undefined) {
    Atomics.store(memory, ABANDONED, 1);
    await main.abandon();
    const abandoned: Abandoned = { heldForMs: limitMs, stack: main.stack };
    return parentPort?.postMessage(abandoned);
  }
  // Whatever becomes of the line, as when a newer version has replaced these files, the process has to end.
  const told = tell(backends[backend] ?? '', step, main?.stack ?? []).catch(() => undefined);
  await Promise.race([told, pause(PATIENCE_MS)]);
  // Not by an exit, which would wait for threads that may wait for something else.
  process.kill(process.pid, 'SIGKILL');
  // The first process of a container is sent no signal from inside.
  main?.end();
}

/** Writes the log line itself, since the main thread cannot. */
async function tell(backend: string, callback: CallbackName | 'loading', stack: string[]): Promise<void> {
  // Loaded only now: this is hardly ever needed.
  const [{ openLog }, { systemClock }] = await Promise.all([
    import('../telemetry/log.ts'),
    import('../node/clock.ts'),
  ]);
  let text = '';
  const write = (line: string): void => void (text += line);
  const log = openLog({ level: 'fatal', version, clock: systemClock }, { write });
  log.observe({ kind: 'callback-stalled', backend, callback, stalledMs: limitMs, stack });
  while (!(await wasWritten(text))) await pause(FULL_PIPE_MS);
}

function wasWritten(text: string): Promise<boolean> {
  return new Promise((resolve) => write(STDOUT, text, (error) => resolve(error?.code !== 'EAGAIN')));
}
