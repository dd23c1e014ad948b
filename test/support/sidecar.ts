import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LogLine } from './cli.ts';
import { expectBalanced, parseMetrics, type Samples, sumOf } from './ledger.ts';
import { watch } from './watch.ts';
import { allow } from './limits.ts';

allow('processes');

export interface SidecarOptions {
  /** Beside PATH, all that the process sees of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files beside the configuration file: relative path and content. */
  readonly files?: Readonly<Record<string, string>>;
  /** A command that becomes the one that follows it, as `nice` does. */
  readonly through?: readonly string[];
  /** The command line of another build than ours. */
  readonly main?: string;
}

/** What was scraped at one moment. */
export interface Scrape {
  readonly text: string;
  readonly samples: Samples;
  /** The sum of the samples of a metric that have at least these labels. */
  sum(name: string, labels?: Record<string, string>): number;
}

/** A running `xmpp-event-pusher run`. */
export interface RunningSidecar {
  readonly pid: number;
  /** Of the telemetry listener. */
  readonly port: number;
  /** All log lines so far. */
  readonly lines: readonly LogLine[];
  /** What it wrote on stderr so far. */
  readonly complaints: string;
  /** The first log line, past or coming, of this event that matches; rejects when the process ends without it. */
  logged(event: string, matches?: (line: LogLine) => boolean): Promise<LogLine>;
  metrics(): Promise<Scrape>;
  /** The response to a GET of a path of the telemetry listener. */
  get(path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** Resolves once /readyz answers 200. */
  ready(): Promise<void>;
  /** Checks that the ledger is balanced, sends the signal, and gives the exit code (null: a signal ended it). */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Ends it as a power failure would. */
  kill(): Promise<void>;
  /** Resolves with the exit code when the process has ended. */
  readonly ended: Promise<number | null>;
}

const ours = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** To be imported by the sidecar's process: when the process that started it is gone, so is the channel to it. */
export const dieWithParent =
  'data:text/javascript,process.on("disconnect",()=>process.kill(process.pid,"SIGKILL"));process.channel.unref()';

/**
 * Starts the built sidecar and waits until it serves telemetry, at any free port unless the configuration says
 * otherwise. A text must say `telemetry: { listen: 127.0.0.1:0 }` itself.
 */
export async function startSidecar(
  configuration: string | object,
  { env = {}, files = {}, through = [], main = ours }: SidecarOptions = {},
): Promise<RunningSidecar> {
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run `npm run build` first');
  const folder = await mkdtemp(join(tmpdir(), 'event-pusher-'));
  const text =
    typeof configuration === 'string'
      ? configuration
      : JSON.stringify({ telemetry: { listen: '127.0.0.1:0' }, ...configuration });
  for (const [name, content] of Object.entries({ ...files, 'event-pusher.yaml': text })) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  const node = [process.execPath, '--import', dieWithParent];
  const [command, ...args] = [...through, ...node, main, 'run', '-c', join(folder, 'event-pusher.yaml')];
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  // The runner's worker, which runs this, outlives a runner that was killed.
  const killOrphan = (): void => void child.kill('SIGKILL');
  process.on('disconnect', killOrphan);
  const ended = once(child, 'close').then(async ([code]) => {
    process.off('disconnect', killOrphan);
    await rm(folder, { recursive: true, force: true });
    return code as number | null;
  });
  const output = collect(child.stdout!, child.stderr!, ended);
  const port = Number((await output.logged('telemetry-listening'))['port']);

  const get: RunningSidecar['get'] = async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, body: await response.text() };
  };
  const metrics = async (): Promise<Scrape> => {
    const { body } = await get('/metrics');
    const samples = parseMetrics(body);
    return { text: body, samples, sum: (name, labels) => sumOf(samples, name, labels) };
  };
  return {
    pid: child.pid!,
    port,
    lines: output.lines,
    get complaints() {
      return output.complaints();
    },
    logged: output.logged,
    metrics,
    get,
    ready: async () => {
      for (;;) {
        // Counted before the request: a line that comes during it may be the one that makes it ready.
        const { length } = output.lines;
        if ((await get('/readyz')).status === 200) return;
        await output.lineAfter(length);
      }
    },
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) {
        expectBalanced((await metrics()).text);
        child.kill(signal);
      }
      return ended;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    ended,
  };
}

function collect(stdout: NodeJS.ReadableStream, stderr: NodeJS.ReadableStream, ended: Promise<unknown>) {
  const lines: LogLine[] = [];
  let rest = '';
  let complaints = '';
  const { tell, seen } = watch(ended, () => `${JSON.stringify(lines)}\n${complaints}`);
  stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const complete = (rest + chunk).split('\n');
    rest = complete.pop() ?? '';
    lines.push(...complete.map((line) => JSON.parse(line) as LogLine));
    tell();
  });
  stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaints += chunk;
  });
  return {
    lines,
    complaints: () => complaints,
    logged: (event: string, matches: (line: LogLine) => boolean = () => true) =>
      seen(event, () => lines.find((line) => line.event === event && matches(line))),
    lineAfter: (count: number) => seen(`more than ${count} log lines`, () => lines[count]),
  };
}
