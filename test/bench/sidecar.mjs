// The whole sidecar: the built program, between a scripted XMPP server and receivers.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startComponentServer } from './component-server.mjs';
import { cpuSeconds, memory, startNode } from './processes.mjs';
import { COMPONENT, DOMAIN } from './stanzas.mjs';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** Beside the checkout's other passing files: not on a disk in memory, as a temporary folder may be. */
const cache = fileURLToPath(new URL('../../.cache/', import.meta.url));

const STOP_WITHIN_MS = 5000;

/** A folder for a configuration and its outbox; `remove` it. */
export async function makeFolder() {
  const path = await mkdtemp(join(cache, 'bench-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A pool and a backend that sends to it what the default callback wants. */
export function poolTo(port, changes = {}) {
  return { type: 'http', tag: 'http_pool', workers: 50, server: `http://127.0.0.1:${port}`, ...changes };
}

/**
 * Runs the sidecar until it is connected. `configuration` changes the defaults of this bench; `folder` is one that an
 * earlier run left its outbox in; `core` is one of `cores`.
 */
export async function runSidecar({ engine, configuration, domains = [DOMAIN], folder, core = 'measured' }) {
  const server = await startComponentServer();
  const own = folder ?? (await makeFolder());
  const file = join(own.path, 'event-pusher.yaml');
  await writeFile(file, JSON.stringify({ ...defaults(engine, server.service, domains), ...configuration }));
  const from = performance.now();
  const child = startNode([...nodeOptions(), main, 'run', '-c', file], {
    core,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = async () => {
    await end(child);
    server.stop();
    if (folder === undefined) await own.remove();
  };
  let port;
  try {
    ({ port } = await started(child));
  } catch (error) {
    await stop();
    throw error;
  }
  const component = await server.component;
  const startSeconds = (performance.now() - from) / 1000;
  return {
    pid: child.pid,
    /** Of its telemetry. */
    port,
    component,
    startSeconds,
    cpuSeconds: () => cpuSeconds(child.pid),
    memory: () => memory(child.pid),
    metrics: () => readMetrics(port),
    stop,
  };
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill();
  const cancel = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exited;
  clearTimeout(cancel);
}

/** For a profile: `BENCH_NODE_OPTIONS=--cpu-prof npm run bench -- --only memory`. */
function nodeOptions() {
  return (process.env.BENCH_NODE_OPTIONS ?? '').split(' ').filter((option) => option !== '');
}

function defaults(engine, service, domains) {
  return {
    component: { service, domain: COMPONENT, secret: 'bench', trusted_domains: domains },
    outbox: engine === 'lmdb' ? { engine, options: { path: './data' } } : { engine },
    telemetry: { listen: '127.0.0.1:0' },
    shutdown_timeout: 0,
    mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool', path: '/notifications' } }] },
  };
}

/** Resolves when it has said where its metrics are and that it is online; rejects with its complaint if it ends. */
function started(child) {
  return new Promise((resolve, reject) => {
    let log = '';
    let complaint = '';
    let port;
    child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
    child.on('exit', (code) => reject(new Error(`the sidecar ended with exit code ${code}: ${complaint}`)));
    child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (log + text).split('\n');
      log = lines.pop();
      for (const line of lines) {
        const entry = JSON.parse(line);
        if (entry.event === 'telemetry-listening') port = entry.port;
        if (entry.event === 'component-online') resolve({ port });
      }
    });
  });
}

/** What /metrics says now: the sum of the samples of a metric that have these labels. */
async function readMetrics(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return (name, labels = {}) => {
    let sum = 0;
    for (const line of text.split('\n')) {
      const fits =
        new RegExp(`^${name}[{ ]`).test(line) &&
        Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`));
      if (fits) sum += Number(line.slice(line.lastIndexOf(' ')));
    }
    return sum;
  };
}
