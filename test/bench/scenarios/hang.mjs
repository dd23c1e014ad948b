import { pause, readLedger } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats } from '../stanzas.mjs';

const SENDERS = 1000;
/** Notifications that the outbox may hold, so that the flood is several times as large. */
const CAPACITY = 50_000;
/**
 * What the resident memory may grow by, in MB: for each notification that waits 2 kB (engine memory) or 2.5 kB (lmdb: 0.5 kB,
 * and pages of its file, which the kernel takes back when it needs them), 64 MiB that the router may have under way, and
 * as much again that the garbage collector has not come to.
 */
const bytesEach = { memory: 2000, lmdb: 2500 };
const growthAllowed = (engine) => (CAPACITY * bytesEach[engine]) / 1e6 + 2 * 67;

/** A flood of stanzas that are wanted, while all receivers hang. */
export const hang = (engine) => async (bench) => {
  const port = await bench.openPort('never');
  const configuration = { outgoing_pools: [poolTo(port.port, { request_timeout: 60_000 })] };
  configuration.outbox = { engine, capacity: CAPACITY };
  if (engine === 'lmdb') configuration.outbox.options = { path: './data' };
  const stanzas = chats(SENDERS);
  const bare = await bench.bare();
  for (let round = 0; round < bench.size(3, 1); round += 1) {
    await bench.withSidecar({ engine, configuration }, async (sidecar) => {
      const atRest = sidecar.memory();
      const times = bench.size(500, 100);
      const from = performance.now();
      await sidecar.component.send(stanzas, times);
      await sidecar.component.ping();
      const perSecond = (times * SENDERS) / ((performance.now() - from) / 1000);
      bench.record(`hang-${engine}-read`, perSecond / bare.rate);
      await pause(500);
      const { most } = sidecar.memory();
      bench.record(`hang-${engine}-memory`, most);
      bench.record(`hang-${engine}-growth`, (most - atRest.now) / growthAllowed(engine));
      const { accepted, dropped, waiting, inFlight, missing, overload } = await readLedger(sidecar);
      // Only what the outbox has no room for may be dropped, and what was not accepted must be counted.
      const kept = Math.min(accepted, CAPACITY);
      const lost = kept - Math.min(kept, waiting + inFlight) + (times * SENDERS - accepted - overload);
      bench.record(`hang-${engine}-lost`, lost + missing);
      bench.record(`hang-${engine}-dropped`, dropped);
    });
  }
};
