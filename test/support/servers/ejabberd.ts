import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { blocksOf } from '../pages.ts';
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

const TAPS = fileURLToPath(new URL('../../../config/ejabberd/', import.meta.url));
const TEMPLATE = new URL('ejabberd.yml.in', import.meta.url);
const ERL = process.env['ERL'] ?? 'erl';
const ERLC = process.env['ERLC'] ?? 'erlc';
const USERS_MADE = 'event-pusher-users-made';

/**
 * Starts the ejabberd of this machine (or EJABBERD=FOLDER that has ebin/, with ERL_LIBS for its libraries): a plain
 * Erlang VM, since ejabberdctl insists on root or the user "ejabberd", and on epmd.
 */
export async function startEjabberd(options: ServerOptions = {}): Promise<RunningServer> {
  const { path, version } = locate('ejabberd');
  const hosts = options.hosts ?? [HOST];
  const libraries = [process.env['ERL_LIBS'], dirname(path)].filter(Boolean).join(delimiter);
  return runServer(
    {
      name: 'ejabberd',
      version,
      portTaken: /address already in use|eaddrinuse/i,
      failed: /Failed to start/,
      shell: () => Promise.reject(new Error("ejabberd's shell is for ejabberdctl, which is not used here")),
      isReady: (log, { c2s, component }) =>
        [`127.0.0.1:${c2s} for`, `127.0.0.1:${component} for`, USERS_MADE].every((part) =>
          log.includes(part),
        ),
      prepare: async (folder, ports): Promise<Command> => {
        await mkdir(`${folder}/mnesia`, { recursive: true });
        await write(`${folder}/tap.yml`, await tapConfiguration(ports, options));
        await write(`${folder}/ejabberd.yml`, await configure(folder, ports, { ...options, hosts }));
        const beams = options.tap === 'module' ? await compileTap(folder, libraries) : folder;
        const flags = ['-noinput', '-pa', beams, '-mnesia', 'dir', `"${folder}/mnesia"`, '-s', 'ejabberd'];
        return {
          file: ERL,
          parameters: [...flags, '-eval', makeUsers(hosts)],
          environment: {
            EJABBERD_CONFIG_PATH: `${folder}/ejabberd.yml`,
            EJABBERD_LOG_PATH: `${folder}/ejabberd.log`,
            ERL_CRASH_DUMP: '/dev/null',
            ERL_LIBS: libraries,
            HOME: folder,
          },
          folder,
        };
      },
    },
    hosts,
  );
}

async function configure(
  folder: string,
  { c2s }: Ports,
  { hosts, tap, extraConfiguration }: ServerOptions & { readonly hosts: readonly string[] },
): Promise<string> {
  // ejabberd refuses a key that is there twice; the recipe for mod_service_log brings this one along.
  const isSaid = tap === 'service_log' || extraConfiguration?.includes('s2s_access:') === true;
  return fill(await readFile(TEMPLATE, 'utf8'), {
    FOLDER: folder,
    C2S_PORT: String(c2s),
    HOSTS: hosts.join(', '),
    GLOBAL: [isSaid ? '' : 's2s_access: none', extraConfiguration ?? ''].join('\n'),
  });
}

/** The component's port and the tap: the fragments of the documentation. */
async function tapConfiguration({ component }: Ports, options: ServerOptions): Promise<string> {
  const text = (await fragment(options))
    .replace('port: 5347', `port: ${component}`)
    .replace(`to: ${COMPONENT}`, `to: ${options.to ?? COMPONENT}`);
  return [
    text.trimEnd(),
    ...(options.directions === undefined ? [] : [`    directions: [${options.directions.join(', ')}]`]),
    ...(options.kinds === undefined ? [] : [`    kinds: [${options.kinds.join(', ')}]`]),
    '',
  ].join('\n');
}

async function fragment({ tap = 'none', buffer }: ServerOptions): Promise<string> {
  if (buffer !== undefined) throw new Error("ejabberd's tap keeps no copies");
  switch (tap) {
    case 'module':
      return forTests(await readFile(`${TAPS}mod_event_pusher_tap.yml`, 'utf8'));
    case 'service_log':
      return forTests(await readFile(`${TAPS}mod_service_log.yml`, 'utf8'));
    case 'none':
      return forTests(
        (await readFile(`${TAPS}mod_event_pusher_tap.yml`, 'utf8')).split('\nmodules:')[0] ?? '',
      );
    case 'firewall':
      throw new Error('ejabberd has no mod_firewall');
  }
}

/**
 * Compiles the tap with the very lines of its README, but into a folder of the test and with the libraries of this
 * machine.
 */
async function compileTap(folder: string, libraries: string): Promise<string> {
  const beams = `${folder}/beams`;
  const [lines] = blocksOf(await readFile(`${TAPS}README.md`, 'utf8')).filter(
    ({ language }) => language === 'sh',
  );
  const here = {
    erlc: ERLC,
    '/usr/local/lib/event-pusher': beams,
    '/usr/lib/$(uname -m)-linux-gnu': libraries,
    '/usr/lib/erlang/lib/p1_xmpp-*/include': await headers(libraries),
  };
  let script = lines?.text ?? '';
  for (const [shown, ours] of Object.entries(here)) {
    if (!script.includes(shown))
      throw new Error(`the lines of ${TAPS}README.md to compile the tap lack ${shown}`);
    script = script.replaceAll(shown, () => `'${ours}'`);
  }
  const { stdout, stderr } = await promisify(execFile)('sh', ['-ec', script], { cwd: TAPS });
  if (stdout + stderr !== '') throw new Error(`erlc had something to say:\n${stdout}${stderr}`);
  return beams;
}

/** The folder of xmpp.hrl; the library is called p1_xmpp by Debian 12 and xmpp by others. */
async function headers(libraries: string): Promise<string> {
  for (const folder of [...libraries.split(delimiter), '/usr/lib/erlang/lib']) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((entry) => /^(p1_)?xmpp-/.test(entry))) {
      const include = join(folder, name, 'include');
      if (existsSync(join(include, 'xmpp.hrl'))) return include;
    }
  }
  throw new Error(
    'xmpp.hrl, which the tap is compiled with, is in no folder of ERL_LIBS nor /usr/lib/erlang/lib',
  );
}

/** Erlang code that makes the users and says so; bytes, because the locale decides how Erlang reads its command line. */
function makeUsers(hosts: readonly string[]): string {
  const binary = (text: string): string => `<<${[...Buffer.from(text)].join(',')}>>`;
  const calls = hosts.flatMap((host) =>
    USERS.map((user) => `ejabberd_auth:try_register(${[user, host, PASSWORD].map(binary).join(',')})`),
  );
  return `${calls.join(',')},io:format("${USERS_MADE}~n").`;
}
