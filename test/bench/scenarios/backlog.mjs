import { deliver, pause, readLedger } from '../bench.mjs';
import { makeFolder, poolTo } from '../sidecar.mjs';
import { chats } from '../stanzas.mjs';

const SENDERS = 1000;
/** So many are sent before it is asked whether they were accepted. */
const PART = 10;

/** A durable outbox that was left full: the start, the memory, and how fast it is drained. */
export async function backlog(bench) {
  const size = bench.size(1_000_000, 20_000);
  const port = await bench.openPort('never');
  const folder = await makeFolder();
  const configuration = { outgoing_pools: [poolTo(port.port, { request_timeout: 600_000 })] };
  const options = { engine: 'lmdb', configuration, folder };
  const stanzas = chats(SENDERS);
  try {
    await bench.withSidecar(options, (sidecar) => fill(bench, sidecar, { stanzas, count: size }));
    for (let start = 1; start < bench.size(3, 1); start += 1)
      await startOnce(bench, options, () => undefined);
    await port.restart();
    await startOnce(bench, options, (sidecar, count) => drain(bench, sidecar, { port, stanzas, count }));
  } finally {
    await folder.remove();
  }
}

async function fill(bench, sidecar, { stanzas, count }) {
  const from = performance.now();
  for (let sent = 0; sent < count; sent += PART * SENDERS) {
    await sidecar.component.send(stanzas, PART);
    let ledger = await readLedger(sidecar);
    while (ledger.accepted + ledger.overload < sent + PART * SENDERS) {
      await pause(20);
      ledger = await readLedger(sidecar);
    }
    if (ledger.overload > 0) throw new Error('the sidecar did not accept all of the backlog');
  }
  bench.record('backlog-fill', count / ((performance.now() - from) / 1000));
}

/** Starts with the backlog; `use` is told how many wait. */
async function startOnce(bench, options, use) {
  const bare = await bench.bare();
  await bench.withSidecar(options, async (sidecar) => {
    bench.record('backlog-start', sidecar.startSeconds);
    bench.record('backlog-start-posts', sidecar.startSeconds / bare.cpu);
    await pause(1000);
    const { waiting, inFlight } = await readLedger(sidecar);
    const { now, anonymous, file } = sidecar.memory();
    bench.record('backlog-waiting', waiting + inFlight);
    bench.record('backlog-memory', now);
    bench.record('backlog-anonymous', anonymous);
    bench.record('backlog-file', file);
    await use(sidecar, waiting + inFlight);
  });
}

async function drain(bench, sidecar, { port, stanzas, count }) {
  const received = port.received(count);
  const fromMs = performance.now();
  await port.change('at once');
  await received;
  const drained = count / ((performance.now() - fromMs) / 1000);
  await pause(200);
  bench.record('backlog-drain-per-second', drained);
  bench.record('backlog-memory-most', sidecar.memory().most);
  const times = bench.size(40, 5);
  const burst = { stanzas, times, count: times * SENDERS };
  for (let round = 0; round < bench.size(5, 1); round += 1) {
    const { rate } = await deliver(sidecar, port, burst);
    bench.record('backlog-drain', drained / rate);
  }
}
