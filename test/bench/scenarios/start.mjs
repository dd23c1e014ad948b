import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cores } from '../processes.mjs';
import { makeFolder, poolTo } from '../sidecar.mjs';

const main = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));

/**
 * So many bare starts of this Node are one of Node 20 on the same machine (49 and 22 ms of CPU): from Node 22 on a bare
 * start is read from a snapshot, which says nothing of how fast the machine runs what it loads.
 */
const STARTS_OF_NODE_20 = Number(process.versions.node.split('.', 1)) < 22 ? 1 : 2.2;

/** What a start costs, as ratios to a Node that does nothing. */
export async function start(bench) {
  const port = await bench.openPort();
  const folder = await makeFolder();
  const file = join(folder.path, 'healthcheck.yaml');
  try {
    for (let round = 0; round < bench.size(15, 7); round += 1) {
      const bare = commandCpuSeconds('-e', '0');
      const ready = await cpuSecondsUntilReady(bench, port.port, async ({ port: at }) => {
        // As operators write it; the file of the bench is JSON.
        await writeFile(file, `telemetry:\n  listen: 127.0.0.1:${at}\n`);
        bench.record('start-healthcheck', commandCpuSeconds(main, 'healthcheck', '-c', file) / bare);
      });
      bench.record('start-bare', bare * 1000);
      bench.record('start-ready', ready / (bare * STARTS_OF_NODE_20));
      bench.record('start-version', commandCpuSeconds(main, '--version') / bare);
    }
  } finally {
    await folder.remove();
  }
}

/** From exec until the component is online, on disk; `use` is told the sidecar. */
function cpuSecondsUntilReady(bench, port, use) {
  const options = { engine: 'lmdb', configuration: { outgoing_pools: [poolTo(port)] } };
  return bench.withSidecar(options, async (sidecar) => {
    const seconds = sidecar.cpuSeconds();
    await use(sidecar);
    return seconds;
  });
}

/** User and system time of a Node that ends by itself, all its threads and children. */
function commandCpuSeconds(...parameters) {
  const command = [process.execPath, ...parameters];
  if (cores !== undefined) command.unshift('taskset', '-c', String(cores.measured));
  const timed = `TIMEFORMAT='%U %S'; time "$@" > /dev/null 2>&1`;
  // The shell writes the times where the command's own complaints do not go.
  const written = execFileSync('bash', ['-c', `{ ${timed}; } 2>&1`, 'bash', ...command], {
    encoding: 'utf8',
  });
  const [user, system] = written.trim().split(' ').map(Number);
  return user + system;
}
