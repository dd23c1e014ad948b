import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { folderWith } from '../config/load-text.ts';
import { PROMETHEUS_FOLDER, promtool, startPrometheus } from '../support/prometheus.ts';
import { startReceiver } from '../support/receiver.ts';
import { describeWithServer } from '../support/servers/availability.ts';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

/** Alerts take seconds to fire, and each of the things awaited has a minute. */
const patiently = { timeout: 240_000 };

interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Dashboard {
  readonly templating: { readonly list: readonly { readonly type: string; readonly query: string }[] };
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

const read = (path: string): string => readFileSync(`${PROMETHEUS_FOLDER}${path}`, 'utf8');
const { groups } = parse(read('alerts.yaml')) as { groups: { rules: AlertRule[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);
const alertTests = read('alerts.test.yaml');
const { templating, panels } = JSON.parse(read('../grafana/dashboard.json')) as Dashboard;
const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ expr, legendFormat }) => ({ title, legendFormat, expression: filled(expr) })),
);

/** As Grafana fills in its variables. */
function filled(expression: string): string {
  return expression.replaceAll('$__rate_interval', '5s').replaceAll('$instance', '.*');
}

/** The metrics of an expression, with the labels that each must have. */
function selectorsIn(expression: string): string[] {
  const withoutLabelLists = expression
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '')
    .replaceAll(/\[[^\]]*\]/g, '');
  return [...withoutLabelLists.matchAll(/([a-z_:][\w:]*)(\{[^}]*\})?(\s*\()?/gi)]
    .filter(([, name = '', , call]) => call === undefined && !/^(and|or|unless|bool|offset)$/.test(name))
    .map(([, name = '', labels = '']) => name + labels);
}

const nameIn = (selector: string): string => selector.replace(/\{.*/, '');

/** A sidecar with a server and a receiver of its own, which says for good that what is named "gone" is gone. */
async function startBench() {
  const server = await startXmppServer();
  const receiver = await startReceiver({
    respond: ({ body }, response) => response.writeHead(body.includes('gone') ? 410 : 204).end(),
  });
  onTestFinished(() => receiver.stop());
  const sidecar = await startSidecar(
    {
      component: {
        service: server.service,
        domain: 'push.example.com',
        secret: 'secret',
        trusted_domains: ['example.com'],
      },
      outgoing_pools: [{ tag: 'http_pool', server: receiver.url }],
      mod_event_pusher: {
        backends: [
          { http: { name: 'chats', pool_name: 'http_pool' } },
          { http: { name: 'broken', pool_name: 'http_pool', callback_module: './broken.mjs' } },
        ],
      },
      retry: { first_delay: 50, max_delay: 200 },
      log: { level: 'debug' },
    },
    { files: { 'broken.mjs': brokenCallback } },
  );
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  const chat = (text: string): void =>
    peer.write(
      `<message from='alice@example.com/phone' to='bot@push.example.com' type='chat'><body>${text}</body></message>`,
    );
  return { receiver, sidecar, chat };
}

/** Fails at once, and again when nobody waits for it any more. */
const brokenCallback = `
export const shouldMakeReq = ({ message }) => {
  if (!message.includes('break')) return false;
  setImmediate(() => { throw new Error('late'); });
  throw new Error('early');
};
`;

/** The same, with a sample of everything that it counts. */
async function startSeasonedBench() {
  const bench = await startBench();
  for (const text of ['noon', 'gone', 'break']) bench.chat(text);
  for (const event of ['notification-delivered', 'notification-dead', 'callback-failed', 'internal-error']) {
    await bench.sidecar.logged(event);
  }
  return { ...bench, exported: [...(await bench.sidecar.metrics()).samples.keys()] };
}

describeWithServer('prometheus', 'Prometheus and our configuration of it', () => {
  it('accepts the configuration and the alerts', async () => {
    const configuration = await promtool([
      'check',
      'config',
      '--lint=all',
      '--lint-fatal',
      'prometheus.yaml',
    ]);
    expect(configuration).toMatchObject({ code: 0, output: expect.stringContaining('1 rule files found') });
    const rules = await promtool(['check', 'rules', '--lint=all', '--lint-fatal', 'alerts.yaml']);
    expect(rules).toMatchObject({ code: 0, output: expect.stringContaining(`${alerts.length} rules found`) });
  });

  it('fires each alert when it should, and not when it should not', async () => {
    const { code, output } = await promtool(['test', 'rules', 'alerts.test.yaml']);
    expect(output).toContain('SUCCESS');
    expect(code, output).toBe(0);
  });

  it.each(alerts)(
    'has a severity, a description and a runbook for $alert',
    ({ alert, labels, annotations, ...rule }) => {
      expect(rule.for).toMatch(/^\d+m$/);
      expect(labels['severity']).toMatch(/^(warning|critical)$/);
      expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook']);
      const fired = alertTests
        .split('\n')
        .find((line) => line.includes(`alertname="${alert}", alertstate="firing"`));
      expect(fired, `alerts.test.yaml sees ${alert} fire`).toBeDefined();
      for (const text of Object.values(annotations)) {
        expect(text).toMatch(/^\S.*\.$/);
        for (const [, label] of text.matchAll(/\$labels\.(\w+)/g)) expect(fired).toContain(` ${label}=`);
      }
    },
  );

  it('has an alert for a server from which no stanzas come, which an operator can switch on', async () => {
    const block = /^ {6}# - alert: EventPusherNothingComes\n(?: {6}# .*\n)+/m;
    const folder = await folderWith({
      'alerts.yaml': read('alerts.yaml').replace(block, (lines) =>
        lines.replaceAll(/^ {6}# /gm, ' '.repeat(6)),
      ),
      'test.yaml': JSON.stringify({
        rule_files: ['alerts.yaml'],
        tests: [
          { comes: '0+1x60 60x400', at: ['6h', '7h10m'], firing: [] },
          { comes: '0+1x60 60x500', at: ['7h20m'], firing: ['quiet'] },
          { comes: '0x500', at: ['6h1m'], firing: ['quiet'] },
          { comes: '0x200 1x500', at: ['6h1m', '9h'], firing: [] },
        ].flatMap(({ comes, at, firing }) =>
          at.map((time) => ({
            interval: '1m',
            input_series: [
              { series: 'event_pusher_component_connected{job="j", instance="quiet"}', values: '1x600' },
              { series: 'event_pusher_component_connected{job="j", instance="away"}', values: '0x600' },
              {
                series: 'event_pusher_stanzas_total{job="j", instance="quiet", tap="none"}',
                values: '0x600',
              },
              {
                series: 'event_pusher_stanzas_total{job="j", instance="quiet", tap="direct"}',
                values: comes,
              },
              {
                series: 'event_pusher_stanzas_total{job="j", instance="away", tap="direct"}',
                values: '0x600',
              },
            ],
            promql_expr_test: [
              {
                expr: 'count by (instance) (ALERTS{alertname="EventPusherNothingComes", alertstate="firing"})',
                eval_time: time,
                exp_samples: firing.map((instance) => ({ labels: `{instance="${instance}"}`, value: 1 })),
              },
            ],
          })),
        ),
      }),
    });
    const path = (name: string): string => join(folder, name);
    const rules = await promtool(['check', 'rules', '--lint=all', '--lint-fatal', path('alerts.yaml')]);
    expect(rules).toMatchObject({ code: 0, output: expect.stringContaining(`${alerts.length + 1} rules`) });
    const { code, output } = await promtool(['test', 'rules', path('test.yaml')]);
    expect(code, output).toBe(0);
  });

  it('does not object to the metrics of a running sidecar', async () => {
    const { sidecar } = await startSeasonedBench();
    const { output } = await promtool(['check', 'metrics'], (await sidecar.metrics()).text);
    const complaints = output.split('\n').filter((line) => line !== '');
    expect(complaints).toEqual([]);
  });

  it(
    'accepts every query of the dashboard, and finds every metric and label that it and the alerts name',
    patiently,
    async () => {
      const { sidecar, exported } = await startSeasonedBench();
      const prometheus = await startPrometheus(sidecar.port);
      const expressions = [...alerts.map(({ expr }) => expr), ...queries.map(({ expression }) => expression)];
      for (const selector of new Set(expressions.flatMap(selectorsIn))) {
        // Prometheus itself makes `up`.
        if (nameIn(selector) !== 'up') expect(exported).toContain(nameIn(selector));
        await prometheus.finds(selector);
      }
      for (const { expression, legendFormat, title } of queries) {
        await prometheus.query(expression);
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        if (labels.length === 0) continue;
        const [series] = await prometheus.finds(expression);
        for (const label of labels) expect(series?.metric, title).toHaveProperty(label);
      }
      for (const { query } of templating.list.filter(({ type }) => type === 'query')) {
        const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? [];
        expect((await prometheus.finds(metric))[0]?.metric).toHaveProperty(label);
      }
      for (const rule of await prometheus.rules()) expect(rule).toMatchObject({ health: 'ok' });
    },
  );

  it('sees the receiver die, and come back', patiently, async () => {
    const { receiver, sidecar, chat } = await startBench();
    const prometheus = await startPrometheus(sidecar.port);
    chat('all is well');
    await prometheus.finds('event_pusher_attempts_total{outcome="2xx"} > 0');
    // It keeps its port, which somebody else could take meanwhile.
    receiver.respondWith((_request, response) => void response.socket?.resetAndDestroy());
    chat('while you were away');
    const alert = await prometheus.firing('EventPusherAttemptsFailing');
    expect(alert.labels).toMatchObject({ pool: 'http_pool', severity: 'warning', job: 'xmpp-event-pusher' });
    expect(alert.annotations['summary']).toMatch(/^[\d.]+% of the POSTs of pool http_pool fail\.$/);
    receiver.respondWith(204);
    await prometheus.resolved('EventPusherAttemptsFailing');
    await prometheus.finds('event_pusher_notifications_total{backend="chats", state="delivered"} == 2');
    const falseAlarms =
      'ALERTS{alertname=~"EventPusher(LedgerOff|DeadLetters|NotificationsDropped|Overload)"}';
    expect(await prometheus.query(`last_over_time(${falseAlarms}[10m])`)).toEqual([]);
  });
});
