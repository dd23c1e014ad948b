import { deliver, pause, percentile, readLedger } from '../bench.mjs';
import { poolTo } from '../sidecar.mjs';
import { chats, stampedChat } from '../stanzas.mjs';

const SENDERS = 1000;
const modes = ['never', 'flood', 'reset'];
/** Stanzas a second: less than half of what the sidecar delivers to two pools. */
const LOAD = 2000;
/** Short, and many of them, as in the measurement of latency. */
const SECONDS = 0.25;
/** A receiver has been bad for so long before it is measured: workers pause longer and longer. */
const LEAD_IN_SECONDS = 0.75;
/** Often, so that what a bad receiver leaves is soon gone when it has become good again. */
const RETRY = { first_delay: 100, max_delay: 400 };

/** Each stanza goes to two pools; the receiver of one misbehaves in every other round. */
export async function isolation(bench) {
  const healthy = await bench.openPort();
  const sibling = await bench.openPortApart('at once');
  const configuration = {
    outgoing_pools: [
      poolTo(healthy.port, { tag: 'healthy' }),
      poolTo(sibling.port, { tag: 'sibling', workers: 10, retry: RETRY }),
    ],
    mod_event_pusher: {
      backends: ['healthy', 'sibling'].map((name) => ({ http: { name, pool_name: name } })),
    },
  };
  await bench.withSidecar({ engine: 'memory', configuration, core: 'any' }, async (sidecar) => {
    const pools = { sidecar, healthy, sibling };
    await atFullSpeed(pools);
    for (let block = 0; block < bench.size(5, 1); block += 1) {
      for (const mode of modes) {
        const { good, bad } = await compare(bench, pools, mode);
        bench.record('isolation-p99', good.p99);
        bench.record(`isolation-${mode}-rate`, bad.paced / good.paced);
        bench.record(`isolation-${mode}-p99`, bad.p99 / good.p99);
        bench.record(`isolation-${mode}-full`, bad.full / good.full);
      }
    }
  });
}

/** Medians of what the healthy pool reaches beside a good sibling and beside a bad one, in turns. */
async function compare(bench, pools, mode) {
  const good = [];
  const bad = [];
  for (let turn = 0; turn < bench.size(4, 1); turn += 1) {
    await measure(bench, good, pools);
    await pools.sibling.change(mode);
    await atPace(pools, LEAD_IN_SECONDS);
    await measure(bench, bad, pools);
    await pools.sibling.change('at once');
    await emptied(pools.sidecar);
  }
  return { good: medians(good), bad: medians(bad) };
}

async function measure(bench, figures, pools) {
  for (let time = 0; time < bench.size(4, 1); time += 1) figures.push(await atPace(pools, SECONDS));
  for (let time = 0; time < bench.size(2, 1); time += 1) figures.push(await atFullSpeed(pools));
}

function medians(figures) {
  const median = (key) => {
    const known = figures.map((figure) => figure[key]).filter((figure) => figure !== undefined);
    return percentile(known, 50);
  };
  return { paced: median('paced'), p99: median('p99'), full: median('full') };
}

async function atPace({ sidecar, healthy }, seconds) {
  await healthy.restart();
  const load = { perSecond: LOAD, seconds };
  const sent = await sidecar.component.pace((index) => stampedChat(index % SENDERS), load);
  const { firstMs, lastMs } = await healthy.received(sent);
  const { delaysMs } = await healthy.state();
  return { paced: sent / ((lastMs - firstMs) / 1000), p99: percentile(delaysMs, 99) };
}

async function atFullSpeed({ sidecar, healthy }) {
  const times = 5;
  const burst = { stanzas: chats(SENDERS), times, count: times * SENDERS };
  return { full: (await deliver(sidecar, healthy, burst)).rate };
}

async function emptied(sidecar) {
  for (;;) {
    const { waiting, inFlight } = await readLedger(sidecar);
    if (waiting + inFlight === 0) return;
    await pause(50);
  }
}
