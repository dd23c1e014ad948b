import { deliver, percentile } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats, stampedChat } from '../stanzas.mjs';

const SENDERS = 1000;
/**
 * A round is short, and there are many: a shared machine becomes several times slower for a fifth of a second now and then, and
 * the median is of rounds without that.
 */
const SECONDS = 0.5;

/**
 * From the writing of a stanza to the reading of its request, at half of the rate that the sidecar reaches; beside it
 * the bare client at half of its own, from the making of the request. The system puts the sidecar's threads where it
 * likes, for on one core they would wait for each other's turns.
 */
export const latency = (engine) => async (bench) => {
  const port = await bench.openPort();
  const barePort = await bench.openPort();
  const bare = await bench.client('bare', barePort.port);
  const configuration = { outgoing_pools: [poolTo(port.port)] };
  await bench.withSidecar({ engine, configuration, core: 'any' }, async (sidecar) => {
    const burst = { stanzas: chats(SENDERS), times: 10, count: 10 * SENDERS };
    const bareRate = await typical(bench, async () => {
      const { seconds } = await bare.ask('run', { count: burst.count });
      return burst.count / seconds;
    });
    const rate = await typical(bench, async () => (await deliver(sidecar, port, burst)).rate);
    const load = { perSecond: Math.floor(rate / 2), seconds: SECONDS };
    bench.record(`latency-${engine}-load`, load.perSecond);
    for (let round = 0; round < bench.size(31, 3); round += 1) {
      await barePort.restart();
      await bare.ask('pace', { ...load, perSecond: Math.floor(bareRate / 2) });
      const bareP99 = record(bench, 'latency-bare', await delays(barePort));
      await port.restart();
      const sent = await sidecar.component.pace((index) => stampedChat(index % SENDERS), load);
      await port.received(sent);
      const p99 = record(bench, `latency-${engine}`, await delays(port));
      bench.record(`latency-${engine}-added`, p99 - bareP99);
    }
  });
};

/** The median of some, without the first one, which warms up. */
async function typical(bench, measure) {
  const rates = [];
  for (let round = 0; round <= bench.size(5, 1); round += 1) rates.push(await measure());
  return percentile(rates.slice(1), 50);
}

async function delays(port) {
  return (await port.state()).delaysMs;
}

function record(bench, key, delaysMs) {
  const p99 = percentile(delaysMs, 99);
  bench.record(`${key}-p50`, percentile(delaysMs, 50));
  bench.record(`${key}-p99`, p99);
  return p99;
}
