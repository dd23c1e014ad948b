import { poolTo } from '../sidecar.mjs';
import { chat } from '../stanzas.mjs';

const DELAY_MS = 20;
const WORKERS = 50;
const orders = ['none', 'sender', 'strict'];
/** Stanzas a second: more than the workers can send, so that some always wait. */
const LOAD = 3000;
/** How often each worker sends in a turn. */
const TIMES = 30;

/**
 * A receiver that answers after 20 ms. What workers and delay allow is what the bare client gets from it: timers are
 * late by up to a millisecond. It is measured right before each of the sidecar's short turns, for a shared machine is
 * now faster, now slower. Each order has a domain and a pool of its own in one sidecar.
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
    const allowed = async () => {
      await port.restart();
      await bare.ask('run', { count: TIMES * WORKERS });
      return rateOf(port, WORKERS);
    };
    const run = async (order, senders) => {
      const atOnce = mostAtOnce(order, senders);
      const make = (index) => chat(index % senders, { domain: domain(order) });
      await port.restart();
      await sidecar.component.pace(make, { perSecond: LOAD, seconds: (TIMES * atOnce) / LOAD });
      return rateOf(port, atOnce);
    };
    await run('none', 30);
    for (let turn = 0; turn < bench.size(15, 1); turn += 1) {
      // What an order costs needs fewer turns to be seen, and has no target that a quick run could miss.
      for (const order of turn % 3 === 0 && !bench.isQuick ? orders : ['none']) {
        for (const senders of [1, 30]) {
          const bareRate = await allowed();
          bench.record('slow-allowed', bareRate);
          bench.record(`slow-${order}-${senders}`, (await run(order, senders)) / bareRate);
        }
      }
    }
  });
}

/** In order there is only one request under way of each sender. */
function mostAtOnce(order, senders) {
  return order === 'none' ? WORKERS : Math.min(senders, WORKERS);
}

/** Requests a second from a turn's first one to its last one, without those with which all workers began at once. */
async function rateOf(port, atOnce) {
  const count = TIMES * atOnce;
  const { firstMs, lastMs } = await port.received(count);
  return (count - atOnce) / ((lastMs - firstMs) / 1000);
}
