import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from './client.ts';
import { Component } from './component.ts';
import { ServerProcess, type Command } from './server-process.ts';
import { allow } from '../limits.ts';

allow('servers');

export const HOST = 'localhost';
export const ROOMS = 'conference.localhost';
export const COMPONENT = 'push.localhost';
export const COMPONENT_SECRET = 'component-secret';
export const USERS = ['alice', 'bob', 'carol', 'dave', 'erin', 'jürgen'] as const;
export const PASSWORD = 'secret';

/** How the server is told to hand copies to the component: our tap, a recipe from its own modules, or not at all. */
export type TapKind = 'module' | 'service_log' | 'firewall' | 'none';

export interface ServerOptions {
  /** Default: none. */
  readonly tap?: TapKind;
  /** To which component our tap is told to hand copies; default: the one that is there. */
  readonly to?: string;
  /** Of our tap; default: its own default. */
  readonly directions?: readonly ('sent' | 'received')[];
  /** Of our tap; default: its own default. */
  readonly kinds?: readonly ('message' | 'presence' | 'iq')[];
  /** Copies kept while the component is away (our tap on Prosody); default: its own default. */
  readonly buffer?: number;
  /** Virtual hosts, each with all users; default: localhost alone. */
  readonly hosts?: readonly string[];
  /** Lines for the global part of the server's configuration. */
  readonly extraConfiguration?: string;
}

export interface RunningServer {
  readonly name: ServerName;
  readonly version: string;
  readonly c2sPort: number;
  readonly componentPort: number;
  /** Logs a user in, on the first host; sends no presence. */
  login(user: string, resource?: string, host?: string): Promise<Client>;
  /** Connects a component that only records. */
  connectComponent(): Promise<Component>;
  /** Stops the server in good order, and starts it again on the same ports with the data that it had. */
  restart(): Promise<void>;
  /** Stops the server in good order, and removes its data. */
  stop(): Promise<void>;
  /** Ends the server at once (SIGKILL); its data stay until `stop`. */
  kill(): Promise<void>;
  /** Says something in the server's own shell (Prosody's: `host:deactivate("push.localhost")`), and waits until it is done. */
  shell(command: string): Promise<void>;
  /** Everything that the server has logged, restarts included. */
  log(): string;
  /** Waits until the server, as started last, has logged this text. */
  logged(text: string): Promise<void>;
}

export type ServerName = 'prosody' | 'ejabberd';
export type StartServer = (options?: ServerOptions) => Promise<RunningServer>;

export interface Ports {
  readonly c2s: number;
  readonly component: number;
}

/** What a product adds to the common way of starting a server. */
export interface Recipe {
  readonly name: ServerName;
  readonly version: string;
  /** Writes configuration and data into the folder; the command that starts the server with them. */
  prepare(folder: string, ports: Ports): Promise<Command>;
  /** See `RunningServer`. */
  shell(folder: string, command: string): Promise<void>;
  /** Whether this log is that of a server which listens and has its users. */
  isReady(log: string, ports: Ports): boolean;
  /** Matches the log of a server that found a port taken. */
  readonly portTaken: RegExp;
  /** Matches the log of a server that runs, but not as it should. */
  readonly failed: RegExp;
}

const MOST_TRIES = 5;

/** Starts a server with a folder and ports of its own. */
export async function runServer(recipe: Recipe, hosts: readonly string[]): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), `event-pusher-${recipe.name}-`));
  try {
    for (let tries = 1; ; tries += 1) {
      const ports = { c2s: await freePort(), component: await freePort() };
      const command = await recipe.prepare(folder, ports);
      const process = new ServerProcess(command);
      try {
        await ready(process, recipe, ports);
        return running(recipe, { folder, ports, command, process, hosts });
      } catch (error) {
        await process.end('SIGKILL');
        if (!recipe.portTaken.test(process.log) || tries === MOST_TRIES) throw error;
      }
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function ready(process: ServerProcess, { isReady, portTaken, failed }: Recipe, ports: Ports): Promise<void> {
  return process.logged(
    (log) => isReady(log, ports),
    (log) => portTaken.test(log) || failed.test(log),
  );
}

interface Run {
  readonly folder: string;
  readonly ports: Ports;
  readonly command: Command;
  readonly process: ServerProcess;
  readonly hosts: readonly string[];
}

function running(recipe: Recipe, { folder, ports, command, process: first, hosts }: Run): RunningServer {
  let process = first;
  let earlierLogs = '';
  return {
    name: recipe.name,
    version: recipe.version,
    c2sPort: ports.c2s,
    componentPort: ports.component,
    login: (user, resource, host = hosts[0] ?? HOST) =>
      Client.login({
        port: ports.c2s,
        domain: host,
        user,
        password: PASSWORD,
        ...(resource === undefined ? {} : { resource }),
      }),
    connectComponent: () =>
      Component.connect({ port: ports.component, domain: COMPONENT, secret: COMPONENT_SECRET }),
    restart: async () => {
      await process.end('SIGTERM');
      earlierLogs += process.log;
      process = new ServerProcess(command);
      await ready(process, recipe, ports);
    },
    stop: async () => {
      await process.end('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
    shell: (command) => recipe.shell(folder, command),
    kill: () => process.end('SIGKILL'),
    log: () => earlierLogs + process.log,
    logged: (text) => process.logged((log) => log.includes(text)),
  };
}

const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 32_000;

/**
 * A port of loopback that nobody has now, below the range that the kernel takes for outgoing connections: while a
 * server restarts, a client's own connection (even one to this very port) must not be able to take it.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Fills @NAME@ marks; a mark without a value and a value without a mark are errors. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  const used = new Set<string>();
  const text = template.replaceAll(/@([A-Z0-9_]+)@/g, (mark, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${mark} has no value`);
    used.add(name);
    return value;
  });
  const unused = Object.keys(values).filter((name) => !used.has(name));
  if (unused.length > 0) throw new Error(`the template lacks @${unused.join('@, @')}@`);
  return text;
}

/** A fragment of our documentation with the names of the tests' server instead of its examples. */
export function forTests(fragment: string): string {
  return fragment.replaceAll('example.com', HOST).replaceAll('a long random secret', COMPONENT_SECRET);
}

export async function write(path: string, text: string): Promise<void> {
  await writeFile(path, text);
}
