import { deliver, readLedger } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats } from '../stanzas.mjs';

const SENDERS = 1000;

/** The whole sidecar at full speed, between the server's socket and the receiver's. */
export const delivery = (engine) => async (bench) => {
  const port = await bench.openPort();
  const stanzas = chats(SENDERS);
  const times = bench.size(40, 10);
  const configuration = { outgoing_pools: [poolTo(port.port)] };
  await bench.withSidecar({ engine, configuration }, async (sidecar) => {
    const burst = { stanzas, times, count: times * SENDERS };
    await deliver(sidecar, port, burst);
    for (let round = 0; round < bench.size(7, 3); round += 1) {
      const bare = await bench.bare();
      const receiverBefore = bench.receiverCpuSeconds();
      const { cpu, rate } = await deliver(sidecar, port, burst);
      bench.record(`${engine}-cpu`, cpu / bare.cpu);
      bench.record(`${engine}-rate`, rate / bare.rate);
      bench.record(`${engine}-microseconds`, cpu * 1e6);
      bench.record(`${engine}-per-second`, rate);
      bench.record('receiver-cpu', ((bench.receiverCpuSeconds() - receiverBefore) / burst.count) * 1e6);
    }
    bench.record(`${engine}-memory`, sidecar.memory().most);
    const { missing, dropped, dead, overload } = await readLedger(sidecar);
    bench.record(`${engine}-lost`, missing + dropped + dead + overload);
  });
};
