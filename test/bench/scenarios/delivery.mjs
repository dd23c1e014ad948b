import { deliver, readLedger } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats } from '../stanzas.mjs';

const SENDERS = 1000;

/**
 * The whole sidecar at full speed, between the server's socket and the receiver's: with all its threads on the one core
 * that the bare client had, and with the threads where the system puts them.
 */
export const delivery = (engine) => async (bench) => {
  const port = await bench.openPort();
  const stanzas = chats(SENDERS);
  const times = bench.size(40, 5);
  const burst = { stanzas, times, count: times * SENDERS };
  const configuration = { outgoing_pools: [poolTo(port.port)] };
  await bench.withSidecar({ engine, configuration }, async (sidecar) => {
    await deliver(sidecar, port, burst);
    for (let round = 0; round < bench.size(7, 2); round += 1) {
      const bare = await bench.bare();
      const receiverBefore = bench.receiverCpuSeconds();
      const { cpu, rate } = await deliver(sidecar, port, burst);
      bench.record(`${engine}-cpu`, cpu / bare.cpu);
      bench.record(`${engine}-rate-pinned`, rate / bare.rate);
      bench.record(`${engine}-microseconds`, cpu * 1e6);
      bench.record('receiver-cpu', ((bench.receiverCpuSeconds() - receiverBefore) / burst.count) * 1e6);
    }
    bench.record(`${engine}-memory`, sidecar.memory().most);
    await recordLost(bench, sidecar, engine);
  });
  // In the quick run only where there is a target.
  if (engine === 'memory' && bench.isQuick) return;
  await bench.withSidecar({ engine, configuration, core: 'any' }, async (sidecar) => {
    await deliver(sidecar, port, burst);
    for (let round = 0; round < bench.size(7, 2); round += 1) {
      const bare = await bench.bare();
      const { rate } = await deliver(sidecar, port, burst);
      bench.record(`${engine}-rate`, rate / bare.rate);
      bench.record(`${engine}-per-second`, rate);
    }
    await recordLost(bench, sidecar, engine);
  });
};

async function recordLost(bench, sidecar, engine) {
  const { missing, dropped, dead, overload } = await readLedger(sidecar);
  bench.record(`${engine}-lost`, missing + dropped + dead + overload);
}
