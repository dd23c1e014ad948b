import { deliver, pause, percentile } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats, stampedChat } from '../stanzas.mjs';

const SENDERS = 1000;

/**
 * From the writing of a stanza to the reading of its request, at half of the rate that the sidecar reaches; beside it
 * the same for the bare client at that rate, from the making of the request. The system puts the sidecar's threads where it
 * likes, for on one core they would wait for each other's turns.
 */
export const latency = (engine) => async (bench) => {
  const port = await bench.openPort();
  const barePort = await bench.openPort();
  const bare = await bench.client('bare', barePort.port);
  const configuration = { outgoing_pools: [poolTo(port.port)] };
  await bench.withSidecar({ engine, configuration, core: 'any' }, async (sidecar) => {
    const burst = { stanzas: chats(SENDERS), times: 10, count: 10 * SENDERS };
    await bare.ask('run', { count: burst.count });
    await deliver(sidecar, port, burst);
    const { rate } = await deliver(sidecar, port, burst);
    const load = { perSecond: Math.floor(rate / 2), seconds: bench.size(5, 2) };
    bench.record(`latency-${engine}-load`, load.perSecond);
    for (let round = 0; round < bench.size(3, 2); round += 1) {
      await barePort.restart();
      await bare.ask('pace', load);
      record(bench, 'latency-bare', await delays(barePort));
      await port.restart();
      const sent = await sidecar.component.pace((index) => stampedChat(index % SENDERS), load);
      await port.received(sent);
      record(bench, `latency-${engine}`, await delays(port));
      await pause(200);
    }
  });
};

async function delays(port) {
  return (await port.state()).delaysMs;
}

function record(bench, key, delaysMs) {
  bench.record(`${key}-p50`, percentile(delaysMs, 50));
  bench.record(`${key}-p99`, percentile(delaysMs, 99));
}
