// Child processes on a core of their own, and what the kernel says of them.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/**
 * What is measured runs on one core; receivers, and this process as the XMPP server, on another. `any`: where the system puts
 * its threads.
 */
export const cores = coresToUse();

function coresToUse() {
  const allowed = /Cpus_allowed_list:\s*(\S+)/.exec(status('self'))?.[1] ?? '';
  const list = allowed.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  try {
    if (list.length < 2 || availableParallelism() < 2) return undefined;
    execFileSync('taskset', ['-acp', String(list[1]), String(process.pid)], { stdio: 'ignore' });
    return { measured: list[0], others: list[1], any: list.join(',') };
  } catch {
    return undefined;
  }
}

/** Starts a Node program on one of the cores; `isMeek`: it has what others leave of the processor. */
export function startNode(parameters, { core, stdio, isMeek = false }) {
  const command = [...(isMeek ? ['nice', '-n', '19'] : []), process.execPath, ...parameters];
  if (cores !== undefined) command.unshift('taskset', '-c', String(cores[core]));
  const child = spawn(command[0], command.slice(1), { stdio });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Starts one of our own programs, which answers questions. */
export function startProgram(name, parameters = [], { core = 'others', isMeek } = {}) {
  const path = fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
  const child = startNode([path, ...parameters.map(String)], {
    core,
    isMeek,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map();
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(`${name}: ${error}`));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${name} ended with exit code ${code}`));
  });
  let asked = 0;
  return {
    pid: child.pid,
    ask: (command, question = {}) =>
      new Promise((resolve, reject) => {
        asked += 1;
        waiting.set(asked, { resolve, reject });
        child.send({ id: asked, command, parameters: question });
      }),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** CPU time that a process has used, user and system, in seconds; the kernel counts in hundredths. */
export function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Memory of a process in MB: resident now and at most, and what of it is its own or a mapped file's. */
export function memory(pid) {
  const text = status(pid);
  const megabytes = (field) => Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(text)?.[1]) / 1000;
  return {
    now: megabytes('VmRSS'),
    most: megabytes('VmHWM'),
    anonymous: megabytes('RssAnon'),
    file: megabytes('RssFile'),
  };
}

function status(pid) {
  return readFileSync(`/proc/${pid}/status`, 'utf8');
}
