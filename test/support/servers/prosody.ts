import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { locate } from './availability.ts';
import type { Command } from './server-process.ts';
import {
  COMPONENT,
  fill,
  forTests,
  HOST,
  PASSWORD,
  type Ports,
  runServer,
  type RunningServer,
  type ServerOptions,
  USERS,
  write,
} from './server.ts';

const TAPS = fileURLToPath(new URL('../../../config/prosody/', import.meta.url));
const TEMPLATE = new URL('prosody.cfg.lua.in', import.meta.url);

/** Starts the Prosody of this machine (or PROSODY=PATH). */
export async function startProsody(options: ServerOptions = {}): Promise<RunningServer> {
  const { path, version } = locate('prosody');
  const hosts = options.hosts ?? [HOST];
  return runServer(
    {
      name: 'prosody',
      version,
      portTaken: /Failed to open server port/,
      failed: /modulemanager\s+error/,
      shell: async (folder, command) => {
        const parameters = ['--config', configurationOf(folder), 'shell', command];
        const { stdout, stderr } = await promisify(execFile)(`${path}ctl`, parameters);
        if (/\b(error|failed)\b/i.test(stdout + stderr)) throw new Error(`${command}: ${stdout}${stderr}`);
      },
      isReady: (log, { c2s, component }) =>
        log.includes(`'c2s' on [127.0.0.1]:${c2s}`) &&
        log.includes(`'component' on [127.0.0.1]:${component}`),
      prepare: async (folder, ports): Promise<Command> => {
        await makeUsers(folder, hosts);
        const configuration = configurationOf(folder);
        await write(configuration, await configure(folder, ports, { ...options, hosts }));
        return { file: path, parameters: ['--config', configuration, '-F'], environment: {}, folder };
      },
    },
    hosts,
  );
}

function configurationOf(folder: string): string {
  return `${folder}/prosody.cfg.lua`;
}

async function configure(
  folder: string,
  { c2s, component }: Ports,
  options: ServerOptions & { readonly hosts: readonly string[] },
): Promise<string> {
  return fill(await readFile(TEMPLATE, 'utf8'), {
    FOLDER: folder,
    TAPS,
    C2S_PORT: String(c2s),
    COMPONENT_PORT: String(component),
    GLOBAL: [...tapOptions(options), options.extraConfiguration ?? ''].join('\n'),
    HOSTS: await hostSections(folder, options),
  });
}

function tapOptions({ directions, kinds, buffer }: ServerOptions): string[] {
  return [
    ...(directions === undefined ? [] : [`event_pusher_tap_directions = ${luaTable(directions)}`]),
    ...(kinds === undefined ? [] : [`event_pusher_tap_kinds = ${luaTable(kinds)}`]),
    ...(buffer === undefined ? [] : [`event_pusher_tap_buffer = ${buffer}`]),
  ];
}

function luaTable(words: readonly string[]): string {
  return `{ ${words.map((word) => JSON.stringify(word)).join(', ')} }`;
}

/** The virtual hosts and the component: the fragments of the documentation, which speak of one host. */
async function hostSections(
  folder: string,
  { tap = 'none', to = COMPONENT, hosts }: ServerOptions & { readonly hosts: readonly string[] },
): Promise<string> {
  const text = (await fragment(folder, tap)).replace(`_to = "${COMPONENT}"`, `_to = "${to}"`);
  const [host = '', component = ''] = text.split('\n\n');
  const hostLine = `VirtualHost "${HOST}"`;
  return [...hosts.map((name) => host.replace(hostLine, `VirtualHost "${name}"`)), component].join('\n\n');
}

async function fragment(folder: string, tap: NonNullable<ServerOptions['tap']>): Promise<string> {
  switch (tap) {
    case 'module':
      return forTests(await readFile(`${TAPS}prosody.example.cfg.lua`, 'utf8'));
    case 'firewall': {
      const rules = `${folder}/mod_firewall.pfw`;
      await write(rules, forTests(await readFile(`${TAPS}mod_firewall.pfw`, 'utf8')));
      const text = forTests(await readFile(`${TAPS}mod_firewall.example.cfg.lua`, 'utf8'));
      return text.replace('/etc/prosody/mod_firewall.pfw', rules);
    }
    case 'none':
      return forTests(
        `VirtualHost "${HOST}"\n\nComponent "${COMPONENT}"\n\tcomponent_secret = "a long random secret"\n`,
      );
    case 'service_log':
      throw new Error('Prosody has no mod_service_log');
  }
}

/** With internal_plain and internal storage an account is one small file, named as Prosody's datamanager names it. */
async function makeUsers(folder: string, hosts: readonly string[]): Promise<void> {
  for (const host of hosts) {
    const accounts = `${folder}/data/${fileName(host)}/accounts`;
    await mkdir(accounts, { recursive: true });
    for (const user of USERS) {
      await write(`${accounts}/${fileName(user)}.dat`, `return { ["password"] = "${PASSWORD}" };\n`);
    }
  }
}

function fileName(name: string): string {
  return Array.from(Buffer.from(name), (byte) => {
    const character = String.fromCodePoint(byte);
    return /[A-Za-z0-9]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}
