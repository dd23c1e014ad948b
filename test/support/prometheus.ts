import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished, vi } from 'vitest';
import { locate } from './servers/availability.ts';
import { ServerProcess } from './servers/server-process.ts';
import { allow } from './limits.ts';

allow('servers');

/** The folder of the configuration and the alerts that operators use. */
export const PROMETHEUS_FOLDER = fileURLToPath(new URL('../../config/prometheus/', import.meta.url));

const TARGET = `'sidecar:9464'`;
const TIMES_FASTER = 60;
const POLL = { timeout: 60_000, interval: 100 };

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

/** An alert that is pending or firing. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

export interface Rule {
  readonly name: string;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
}

/** A Prometheus that scrapes one sidecar. */
export interface RunningPrometheus {
  /** What an instant query gives; rejects with what Prometheus has against it. */
  query(expression: string): Promise<readonly Series[]>;
  /** The same, once it gives something. */
  finds(expression: string): Promise<readonly Series[]>;
  /** The rules, once each was evaluated. */
  rules(): Promise<readonly Rule[]>;
  /** Resolves once the alert fires. */
  firing(name: string): Promise<Alert>;
  /** Resolves once the alert neither fires nor is about to. */
  resolved(name: string): Promise<void>;
}

/**
 * Starts this machine's Prometheus with a copy of our configuration that differs in two things. It scrapes this port,
 * under two names: with one sidecar alone nothing would show that a rule or query takes two for one. And every duration
 * (intervals, ranges, `for`) is a sixtieth, so that what takes minutes in earnest takes seconds.
 */
export async function startPrometheus(sidecarPort: number): Promise<RunningPrometheus> {
  const { path } = locate('prometheus');
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const configuration = await readFile(join(PROMETHEUS_FOLDER, 'prometheus.yaml'), 'utf8');
  if (!configuration.includes(TARGET)) throw new Error(`prometheus.yaml does not scrape ${TARGET}`);
  const alerts = await readFile(join(PROMETHEUS_FOLDER, 'alerts.yaml'), 'utf8');
  await writeFile(
    join(folder, 'prometheus.yaml'),
    hurried(configuration).replace(TARGET, `'127.0.0.1:${sidecarPort}', 'localhost:${sidecarPort}'`),
  );
  await writeFile(join(folder, 'alerts.yaml'), hurried(alerts));
  const server = new ServerProcess({
    file: path,
    parameters: [
      '--config.file=prometheus.yaml',
      '--storage.tsdb.path=data',
      '--web.listen-address=127.0.0.1:0',
    ],
    environment: {},
    folder,
  });
  onTestFinished(async () => {
    await server.end('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  await server.logged((log) => log.includes('Server is ready to receive web requests') && portIn(log) !== '');
  return clientOf(`http://127.0.0.1:${portIn(server.log)}`);
}

function hurried(yaml: string): string {
  const seconds = { s: 1, m: 60, h: 3600 };
  return yaml.replaceAll(
    /\b(\d+)([smh])\b/g,
    (_, count: string, unit: 's' | 'm' | 'h') => `${(Number(count) * seconds[unit] * 1000) / TIMES_FASTER}ms`,
  );
}

/** The port that it chose; before it has, it logs port 0. */
function portIn(log: string): string {
  return /Listening on.*127\.0\.0\.1:([1-9]\d*)/.exec(log)?.[1] ?? '';
}

function clientOf(url: string): RunningPrometheus {
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; data: unknown; error?: string };
    if (answer.status !== 'success') throw new Error(answer.error);
    return answer.data;
  };
  const query = async (expression: string): Promise<readonly Series[]> => {
    const data = await ask(`query?query=${encodeURIComponent(expression)}`);
    return (data as { result: Series[] }).result;
  };
  const alert = async (name: string): Promise<Alert | undefined> => {
    const { alerts } = (await ask('alerts')) as { alerts: Alert[] };
    return alerts.find(({ labels }) => labels['alertname'] === name);
  };
  return {
    query,
    finds: (expression) =>
      vi.waitFor(async () => {
        const found = await query(expression);
        if (found.length === 0) throw new Error(`Prometheus finds nothing for ${expression}`);
        return found;
      }, POLL),
    rules: () =>
      vi.waitFor(async () => {
        const { groups } = (await ask('rules')) as { groups: { rules: Rule[] }[] };
        const rules = groups.flatMap((group) => group.rules);
        if (rules.length === 0 || rules.some(({ health }) => health === 'unknown')) {
          throw new Error('not every rule was evaluated');
        }
        return rules;
      }, POLL),
    firing: (name) =>
      vi.waitFor(async () => {
        const found = await alert(name);
        if (found?.state !== 'firing') throw new Error(`${name} is ${found?.state ?? 'inactive'}`);
        return found;
      }, POLL),
    resolved: (name) =>
      vi.waitFor(async () => {
        const found = await alert(name);
        if (found !== undefined) throw new Error(`${name} is ${found.state}`);
      }, POLL),
  };
}

/** Runs promtool in the folder of our configuration: its exit code and all that it wrote. */
export function promtool(
  parameters: readonly string[],
  input = '',
): Promise<{ readonly code: number; readonly output: string }> {
  const file = join(dirname(locate('prometheus').path), 'promtool');
  return new Promise((resolve) => {
    const child = execFile(file, parameters, { cwd: PROMETHEUS_FOLDER }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
    child.stdin?.end(input);
  });
}
