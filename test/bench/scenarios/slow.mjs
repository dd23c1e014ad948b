import { deliver } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats } from '../stanzas.mjs';

const DELAY_MS = 20;
const WORKERS = 50;
const orders = ['none', 'sender', 'strict'];

/**
 * A receiver that answers after 20 ms. What workers and delay allow is what the bare client gets from it: timers are
 * late by up to a millisecond. Each order has a domain and a pool of its own in one sidecar.
 */
export async function slow(bench) {
  const port = await bench.openPort('later', DELAY_MS);
  const domain = (order) => `${order}.example.com`;
  const configuration = {
    outgoing_pools: orders.map((order) =>
      poolTo(port.port, { scope: domain(order), workers: WORKERS, retry: { order } }),
    ),
  };
  const bare = await bench.client('bare', port.port);
  const domains = orders.map(domain);
  await bench.withSidecar({ engine: 'memory', configuration, domains }, async (sidecar) => {
    const run = async (order, senders, count) => {
      const stanzas = chats(senders, { domain: domain(order) });
      const { rate } = await deliver(sidecar, port, { stanzas, times: count / senders, count });
      return rate;
    };
    await run('none', 30, 1500);
    for (let round = 0; round < bench.size(5, 1); round += 1) {
      const posts = bench.size(6000, 2100);
      const { seconds } = await bare.ask('run', { count: posts });
      const allowed = posts / seconds;
      bench.record('slow-allowed', allowed);
      for (const order of orders) {
        // In order there is only one under way of each sender.
        const most = (senders) =>
          order === 'none' ? posts : Math.min(senders, WORKERS) * bench.size(60, 30);
        bench.record(`slow-${order}-1`, (await run(order, 1, most(1))) / allowed);
        bench.record(`slow-${order}-30`, (await run(order, 30, most(30))) / allowed);
      }
    }
  });
}
