import { write } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { CallbackName } from '../core/callback-names.ts';
import { stopMainThread } from './main-thread.ts';
import { StallJudge } from './stall.ts';
import {
  type Abandoned,
  ABANDONED,
  ENTERED,
  fromPlace,
  NOTHING,
  type Step,
  type ThreadOptions,
  TURNS,
} from './watchdog.ts';

/** Milliseconds that each step before the kill may take: finding out where the main thread is, and logging it. */
const PATIENCE_MS = 2000;
/** Milliseconds between two attempts to write to a full pipe, whose reader may make room. */
const FULL_PIPE_MS = 20;
const STDOUT = 1;

const { memory, limitMs, intervalMs, backends, version } = workerData as ThreadOptions;
const judge = new StallJudge(limitMs, intervalMs);

let isIntervening = false;

setInterval(() => {
  if (isIntervening) return;
  const entered = Atomics.load(memory, ENTERED);
  const isStill = judge.look(performance.now(), Atomics.load(memory, TURNS));
  // No callback module causes a stall before the first callback, or between loading and the first callback.
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
  // The main thread has turned meanwhile.
  if (Atomics.load(memory, TURNS) !== turns) return main?.release();
  if (step === 'loading' && main?.abandon !== undefined) {
    Atomics.store(memory, ABANDONED, 1);
    await main.abandon();
    const abandoned: Abandoned = { heldForMs: limitMs, stack: main.stack };
    return parentPort?.postMessage(abandoned);
  }
  // The process has to end even if the line cannot be written, for example after an upgrade replaced these files.
  const logged = logStall(backends[backend] ?? '', step, main?.stack ?? []).catch(() => undefined);
  await Promise.race([logged, pause(PATIENCE_MS)]);
  // process.exit would wait for threads that may not end.
  process.kill(process.pid, 'SIGKILL');
  // The kernel drops signals that the first process of a container sends to itself.
  main?.end();
}

/** Writes the log line from this thread, because the main thread cannot. */
async function logStall(backend: string, callback: CallbackName | 'loading', stack: string[]): Promise<void> {
  // Loaded only now, because it is rarely needed.
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
