import { expect, it } from 'vitest';
import { folderWith, trusting } from '../config/load-text.ts';
import { startCli } from '../support/cli.ts';
import { closedPort } from '../support/closed-port.ts';
import { parseMetrics } from '../support/ledger.ts';
import { followRecipe } from '../support/recipe.ts';

/** Logs one observation of a new kind, as a part of the sidecar would. */
const program = `
import { systemClock } from './dist/node/clock.js';
import { openLog } from './dist/telemetry/log.js';
openLog({ level: 'info', version: '1.2.3', clock: systemClock }).observe({ kind: 'kettle-boiled', litres: 2 });
`;

it('a log event is a kind of observation and one entry in the table of log events', async () => {
  const { run } = await followRecipe('a log event', {
    lines: [
      {
        file: 'core/observation.ts',
        after: 'export type Observation =',
        line: "  | { readonly kind: 'kettle-boiled'; readonly litres: number }",
      },
      {
        file: 'telemetry/log-events.ts',
        after: 'export const logEvents',
        line: "  'kettle-boiled': { level: 'warn', text: 'tea is ready', fields: ['litres'] },",
      },
    ],
  });
  const { output } = await run('node', '--input-type=module', '-e', program);
  expect(JSON.parse(output)).toMatchObject({
    level: 'warn',
    service: 'xmpp-event-pusher',
    event: 'kettle-boiled',
    litres: 2,
    msg: 'tea is ready',
  });
});

it('a metric is one entry in the table of metrics: each of its series is scraped, from 0 on', async () => {
  const { main } = await followRecipe('a metric', {
    lines: [
      {
        file: 'telemetry/metric-table.ts',
        after: 'export const metricTable',
        line: `  event_pusher_tests_total: {
    type: 'counter',
    help: 'What a test counts.',
    labels: { dir: anyOf(directions) },
    on: { 'event-made': ({ dir }) => ({ dir }) },
  },`,
      },
    ],
  });
  const text = trusting.replace('5347', String(await closedPort()));
  const folder = await folderWith({
    'x.yaml': `${text}telemetry: { listen: "127.0.0.1:0" }\noutbox: { engine: memory }\n`,
  });
  const { port } = await startCli(['run', '-c', 'x.yaml'], { folder, main }).logged('telemetry-listening');
  const scraped = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
  expect(parseMetrics(await scraped.text()).get('event_pusher_tests_total')).toEqual([
    { labels: { dir: 'in' }, value: 0 },
    { labels: { dir: 'out' }, value: 0 },
  ]);
});
