import { poolTo } from '../sidecar.mjs';
import { chats } from '../stanzas.mjs';

const STANZAS = 1000;

/** Forwarded stanzas that no backend wants: what most of a server's traffic is. */
export async function ingest(bench) {
  const port = await bench.openPort();
  // What a user is to get: the default callback wants only what is sent.
  const stanzas = chats(STANZAS, { to: 'received', body: 'Hello there, '.repeat(6) });
  bench.record('ingest-bytes', stanzas.length / STANZAS);
  const configuration = { outgoing_pools: [poolTo(port.port)] };
  await bench.withSidecar({ engine: 'memory', configuration }, async (sidecar) => {
    const { component } = sidecar;
    await component.send(stanzas, bench.size(100, 30));
    await component.ping();
    const times = bench.size(500, 60);
    for (let round = 0; round < bench.size(7, 2); round += 1) {
      const bare = await bench.bare();
      const before = sidecar.cpuSeconds();
      const from = performance.now();
      await component.send(stanzas, times);
      await component.ping();
      const perSecond = (times * STANZAS) / ((performance.now() - from) / 1000);
      bench.record('ingest-cpu', (sidecar.cpuSeconds() - before) / (times * STANZAS) / bare.cpu);
      bench.record('ingest-rate', perSecond / bare.rate);
      bench.record('ingest-per-second', perSecond);
    }
  });
}
