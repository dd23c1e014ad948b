import { deliver, percentile } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats, stampedChat } from '../stanzas.mjs';

const SENDERS = 1000;
const modes = ['at once', 'never', 'flood', 'reset'];
/** Stanzas a second: less than half of what the sidecar delivers to two pools. */
const LOAD = 2000;

/** Each stanza goes to two pools, one of which has a receiver that misbehaves. */
export async function isolation(bench) {
  const stanzas = chats(SENDERS);
  for (let round = 0; round < bench.size(3, 1); round += 1) {
    const figures = {};
    for (const mode of modes) figures[mode] = await withSibling(bench, mode, stanzas);
    const good = figures['at once'];
    bench.record('isolation-p99', good.p99);
    for (const mode of modes.slice(1)) {
      const bad = figures[mode];
      bench.record(`isolation-${mode}-full`, bad.full / good.full);
      bench.record(`isolation-${mode}-rate`, bad.paced / good.paced);
      bench.record(`isolation-${mode}-p99`, bad.p99 / good.p99);
    }
  }
}

async function withSibling(bench, mode, stanzas) {
  const healthy = await bench.openPort();
  const sibling = await bench.openPortApart(mode);
  const configuration = {
    outgoing_pools: [
      poolTo(healthy.port, { tag: 'healthy' }),
      poolTo(sibling.port, { tag: 'sibling', workers: 10 }),
    ],
    mod_event_pusher: {
      backends: ['healthy', 'sibling'].map((name) => ({ http: { name, pool_name: name } })),
    },
  };
  return bench.withSidecar({ engine: 'memory', configuration }, async (sidecar) => {
    const times = bench.size(15, 3);
    const burst = { stanzas, times, count: times * SENDERS };
    await deliver(sidecar, healthy, burst);
    await healthy.restart();
    const load = { perSecond: LOAD, seconds: bench.size(4, 1) };
    const sent = await sidecar.component.pace((index) => stampedChat(index % SENDERS), load);
    const { firstMs, lastMs } = await healthy.received(sent);
    const { delaysMs } = await healthy.state();
    const { rate } = await deliver(sidecar, healthy, burst);
    return { full: rate, paced: sent / ((lastMs - firstMs) / 1000), p99: percentile(delaysMs, 99) };
  });
}
