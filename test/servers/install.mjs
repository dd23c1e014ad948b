// Finds the servers that the tests and the demo run (XMPP servers, Prometheus), and installs Debian's packages of them
// where they are missing and it may. Plain JavaScript without dependencies, because it runs before `npm install` has.
// What it exports is described in install.d.mts; `node test/servers/install.mjs` installs all of them.
import { execFile, execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SERVERS = {
  prosody: { find: findProsody, variable: 'PROSODY', packages: ['prosody', 'prosody-modules'] },
  ejabberd: { find: findEjabberd, variable: 'EJABBERD', packages: ['ejabberd'] },
  prometheus: { find: findPrometheus, variable: 'PROMETHEUS', packages: ['prometheus'] },
};

export async function findServers(needed = Object.keys(SERVERS)) {
  return Object.fromEntries(needed.map((name) => [name, find(name)]));
}

export async function ensureServers({ needed = Object.keys(SERVERS), log = () => {} } = {}) {
  const servers = await findServers(needed);
  const isMissing = (name) => 'missing' in servers[name];
  // What an environment variable points to is for the person who set it to put right.
  const wanted = needed.filter(
    (name) => isMissing(name) && process.env[SERVERS[name].variable] === undefined,
  );
  if (wanted.length === 0) return servers;
  const problem = whyNotInstallable() ?? (await install(wanted, log));
  Object.assign(servers, await findServers(wanted));
  for (const name of wanted.filter(isMissing))
    servers[name].missing += ` ${problem ?? 'Installing it did not help.'}`;
  return servers;
}

function find(name) {
  try {
    return SERVERS[name].find();
  } catch (error) {
    return { missing: error.message };
  }
}

function findProsody() {
  const path = locateExecutable('PROSODY', 'prosody');
  if (path === undefined) throw new Error('Prosody is not installed ("prosody" is not in PATH).');
  // Asking it is no way: a Prosody before 13 takes --version for nothing, and starts.
  const source = /^CFG_SOURCEDIR='(.*)'/m.exec(readFileSync(path, 'utf8'))?.[1];
  const versionFile = join(source ?? '', 'prosody.version');
  const version =
    source !== undefined && existsSync(versionFile) ? readFileSync(versionFile, 'utf8').trim() : 'unknown';
  return { path, version };
}

function findEjabberd() {
  const path = process.env.EJABBERD ?? ejabberdFolders()[0];
  if (path === undefined)
    throw new Error('ejabberd is not installed (there is no ejabberd-*/ebin below /usr/lib).');
  const application = join(path, 'ebin', 'ejabberd.app');
  if (!existsSync(application)) throw new Error(`EJABBERD=${path} has no ebin/ejabberd.app.`);
  for (const [variable, name] of [
    ['ERL', 'erl'],
    ['ERLC', 'erlc'],
  ]) {
    if (locateExecutable(variable, name) === undefined) {
      throw new Error(`ejabberd is in ${path}, but Erlang's "${name}" is not in PATH.`);
    }
  }
  return {
    path,
    version: /\{\s*vsn\s*,\s*"([^"]+)"/.exec(readFileSync(application, 'utf8'))?.[1] ?? 'unknown',
  };
}

function findPrometheus() {
  const path = locateExecutable('PROMETHEUS', 'prometheus');
  if (path === undefined) throw new Error('Prometheus is not installed ("prometheus" is not in PATH).');
  if (!isExecutable(join(dirname(path), 'promtool'))) throw new Error(`There is no promtool beside ${path}.`);
  const output = execFileSync(path, ['--version'], { encoding: 'utf8' });
  return { path, version: /version ([\w.]+)/.exec(output)?.[1] ?? 'unknown' };
}

function ejabberdFolders() {
  const architectures = list('/usr/lib').filter((name) => name.includes('-linux-'));
  return ['/usr/lib/erlang/lib', '/usr/lib', ...architectures.map((name) => `/usr/lib/${name}`)]
    .flatMap((folder) =>
      list(folder)
        .filter((name) => name.startsWith('ejabberd-'))
        .map((name) => join(folder, name)),
    )
    .filter((folder) => existsSync(join(folder, 'ebin', 'ejabberd.app')));
}

function list(folder) {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function locateExecutable(variable, name) {
  const chosen = process.env[variable];
  if (chosen !== undefined) {
    if (!isExecutable(chosen)) throw new Error(`${variable}=${chosen} cannot be executed.`);
    return chosen;
  }
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function whyNotInstallable() {
  if (locateExecutable('APT_GET', 'apt-get') === undefined) {
    return "This is no Debian or Ubuntu: install it with your system's own package manager.";
  }
  if (process.getuid() !== 0) return `Run once: sudo ${process.execPath} ${fileURLToPath(import.meta.url)}`;
  return undefined;
}

/** Installs the servers' packages; what went wrong, if anything did. */
async function install(names, log) {
  const packages = names.flatMap((name) => SERVERS[name].packages);
  const command = ['install', '--yes', '--no-install-recommends', ...packages];
  log(`Installing ${packages.join(', ')} (apt-get, about half a minute) ...`);
  const hadEpmd = isRunning('epmd');
  const restorePolicy = forbidDaemons();
  try {
    const first = await aptGet(command);
    if (first.code === 0) return undefined;
    // Lists that are missing or old are the usual reason why a first try fails.
    log('Fetching the package lists (apt-get update) ...');
    const update = await aptGet(['update']);
    const second = await aptGet(command);
    return second.code === 0 ? undefined : `apt-get failed: ${complaints(update.output + second.output)}`;
  } finally {
    restorePolicy();
    if (!hadEpmd && isRunning('epmd')) await run('epmd', ['-kill']); // ejabberd's package leaves one behind.
    if (existsSync('/run/systemd/system')) await run('systemctl', ['disable', ...names]);
  }
}

const TRIES = 12;
const WAIT_MS = 10_000;

/** Runs apt-get, patiently while another one holds a lock. */
async function aptGet(command) {
  const options = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Options::=--force-confold'];
  for (let tries = 1; ; tries += 1) {
    const result = await run('apt-get', [...options, ...command]);
    const isLocked = /could not get lock|unable to (acquire|lock)/i.test(result.output);
    if (result.code === 0 || !isLocked || tries === TRIES) return result;
    await sleep(WAIT_MS);
  }
}

/** The first few errors and warnings in what apt-get wrote, or else how it ended. */
function complaints(output) {
  const lines = output.trim().split('\n');
  const found = lines.filter((line) => /^[EW]: /.test(line));
  return (found.length > 0 ? found.slice(0, 4) : lines.slice(-4)).join(' | ');
}

function run(file, parameters) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  return new Promise((resolve) => {
    execFile(file, parameters, { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({
        code: error === null ? 0 : (error.code ?? 1),
        output: `${stdout}${stderr}` || (error?.message ?? ''),
      });
    });
  });
}

const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_ASIDE = `${POLICY}.before-event-pusher`;
const NO_DAEMONS = '#!/bin/sh\n# Temporary: xmpp-event-pusher installs servers for its tests.\nexit 101\n';

/** Keeps packages from starting their daemons; the function returned puts things back, and runs also if we are stopped. */
function forbidDaemons() {
  // Ours: of a run beside this one, or of one that was killed; what was there before it is aside already.
  const isOurs = existsSync(POLICY) && readFileSync(POLICY, 'utf8') === NO_DAEMONS;
  if (existsSync(POLICY) && !isOurs) renameSync(POLICY, POLICY_ASIDE);
  writeFileSync(POLICY, NO_DAEMONS, { mode: 0o755 });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const restore = () => {
    process.off('exit', restore);
    for (const signal of signals) process.off(signal, restoreAndDie);
    rmSync(POLICY, { force: true });
    if (existsSync(POLICY_ASIDE)) renameSync(POLICY_ASIDE, POLICY);
  };
  const restoreAndDie = (signal) => {
    restore();
    process.kill(process.pid, signal);
  };
  process.on('exit', restore);
  for (const signal of signals) process.on(signal, restoreAndDie);
  return restore;
}

function isRunning(name) {
  return list('/proc').some((entry) => {
    try {
      return readFileSync(`/proc/${entry}/comm`, 'utf8').trim() === name;
    } catch {
      return false; // No process, or one that has just ended.
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const servers = await ensureServers({ log: console.log });
  for (const [name, { path, version, missing }] of Object.entries(servers)) {
    console.log(missing ?? `${name} ${version}: ${path}`);
    if (missing !== undefined) process.exitCode = 1;
  }
}
