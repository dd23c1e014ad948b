import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../bootstrap/command.mjs';
import { freePort } from '../demo/ports.mjs';

const COMMAND_PATIENCE_MS = 8 * 60_000;
const WAIT_PATIENCE_MS = 120_000;
const POLL_MS = 250;
const PROFILES = ['--profile', 'ejabberd', '--profile', 'chat'];

/** Runs docker to its end; resolves to its exit code (127: it cannot be run) and what it printed. */
export function docker(parameters, env = {}) {
  const options = {
    cwd: root,
    env: { ...process.env, ...env },
    timeout: COMMAND_PATIENCE_MS,
    maxBuffer: 64 * 1024 * 1024,
  };
  return new Promise((resolve) => {
    execFile('docker', parameters, options, (error, stdout, stderr) => {
      const failure = typeof error?.code === 'number' ? error.code : 127;
      resolve({ code: error === null ? 0 : failure, stdout, stderr });
    });
  });
}

/** Why containers cannot be had on this machine; undefined if they can. */
export async function missingEngine() {
  const compose = await docker(['compose', 'version', '--short']);
  if (compose.code !== 0) return 'there is no "docker compose" (a docker client with Compose v2) in PATH.';
  // Not `docker info`, which also succeeds where only the client answers.
  const engine = await docker(['version', '--format', '{{.Server.Version}}']);
  if (engine.code !== 0) return `no container engine answers: ${engine.stderr.trim().split('\n').at(-1)}`;
  console.log(`Engine ${engine.stdout.trim()}, Compose ${compose.stdout.trim()}, Node ${process.version}`);
  return undefined;
}

/** The containers of docker-compose.yml under a project name and ports of their own; nothing is started yet. */
export async function openStack() {
  const folder = await mkdtemp(join(tmpdir(), 'xmpp-event-pusher-containers-'));
  const ports = { client: await freePort(), telemetry: await freePort(), prometheus: await freePort() };
  return new Stack(`xmpp-event-pusher-test-${process.pid}`, folder, ports);
}

class Stack {
  /** A folder for whatever a check writes; removed at the end. */
  folder;
  ports;
  #project;
  #containers = [];

  constructor(project, folder, ports) {
    this.#project = project;
    this.folder = folder;
    this.ports = ports;
  }

  /** `docker compose` on this project; resolves to its exit code and what it printed. */
  tryCompose(parameters, env = {}) {
    return docker(['compose', '--ansi', 'never', '--progress', 'plain', ...PROFILES, ...parameters], {
      COMPOSE_PROJECT_NAME: this.#project,
      DEMO_CLIENT_PORT: String(this.ports.client),
      DEMO_TELEMETRY_PORT: String(this.ports.telemetry),
      DEMO_PROMETHEUS_PORT: String(this.ports.prometheus),
      ...env,
    });
  }

  /**
   * `docker compose` on this project; resolves to its stdout.
   * @throws Error with the last lines printed if it fails.
   */
  async compose(...parameters) {
    return succeeded(`docker compose ${parameters.join(' ')}`, await this.tryCompose(parameters));
  }

  /** @throws Error with the last lines printed if it fails. */
  async docker(...parameters) {
    return succeeded(`docker ${parameters.join(' ')}`, await docker(parameters));
  }

  /** Starts a container of its own from a service's image; resolves to its id. It is removed at the end. */
  async start(service, ...parameters) {
    const id = (await this.docker('run', '--detach', ...parameters, `${this.#project}-${service}`)).trim();
    this.#containers.push(id);
    return id;
  }

  /** Runs a shell line in a running service; resolves to its exit code and what it printed. */
  tryInside(service, line) {
    return this.tryCompose(['exec', '-T', service, 'sh', '-c', line]);
  }

  /** What the engine knows of a service's container, running or not. */
  async inspect(service) {
    const [container] = JSON.parse(await this.docker('inspect', await this.containerOf(service)));
    return container;
  }

  async inspectImage(service) {
    const [image] = JSON.parse(await this.docker('image', 'inspect', `${this.#project}-${service}`));
    return image;
  }

  async containerOf(service) {
    const id = (await this.compose('ps', '--all', '--quiet', service)).trim();
    if (id === '') throw new Error(`${service} has no container`);
    return id;
  }

  /** alice writes these texts to bob, one after the other; resolves when bob has them. */
  chat(texts, { server = 'prosody' } = {}) {
    return this.compose('run', '--rm', '--no-deps', '-T', '-e', `XMPP_HOST=${server}`, 'chat', ...texts);
  }

  /** The texts that the receiver has printed, in order of arrival, each webhook-id once. */
  async received() {
    const log = await this.compose('logs', '--no-color', '--no-log-prefix', 'receiver');
    const texts = new Map();
    for (const line of log.split('\n').filter((line) => line.includes('{'))) {
      const { headers, body } = JSON.parse(line.slice(line.indexOf('{')));
      if (!texts.has(headers['webhook-id'])) {
        texts.set(headers['webhook-id'], new URLSearchParams(body).get('message'));
      }
    }
    return [...texts.values()];
  }

  /** The sum of the sidecar's samples of a metric; undefined while it cannot be asked. */
  async metric(name) {
    const text = await fetchText(`http://127.0.0.1:${this.ports.telemetry}/metrics`);
    if (text === undefined) return undefined;
    const samples = text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** The answer of Prometheus to a query; undefined while it cannot be asked. */
  async askPrometheus(path) {
    const text = await fetchText(`http://127.0.0.1:${this.ports.prometheus}/api/v1/${path}`);
    return text === undefined ? undefined : JSON.parse(text).data;
  }

  async lastLines() {
    const { stdout, stderr } = await this.tryCompose(['logs', '--no-color', '--tail', '8']);
    return stdout + stderr;
  }

  async close() {
    if (this.#containers.length > 0) await docker(['rm', '--force', '--volumes', ...this.#containers]);
    await this.tryCompose(['down', '--volumes', '--remove-orphans', '--rmi', 'local', '--timeout', '5']);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Asks until `isSo` holds of the answer, and resolves to that; the answers come from other processes, so they are polled. */
export async function until(what, ask, isSo) {
  const deadline = performance.now() + WAIT_PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (performance.now() > deadline)
      throw new Error(`${what}: not so in time, but ${JSON.stringify(answer)}`);
    await sleep(POLL_MS);
  }
}

async function fetchText(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    return await response.text();
  } catch {
    return undefined; // Not up, or not yet.
  }
}

function succeeded(command, { code, stdout, stderr }) {
  if (code === 0) return stdout;
  const lines = (stdout + stderr).trim().split('\n').slice(-20);
  throw new Error(`${command} ended with exit code ${code}:\n${lines.join('\n')}`);
}
