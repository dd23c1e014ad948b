import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { adviceByCode, adviceByOutcome } from '../../src/telemetry/failures.ts';
import { logEvents } from '../../src/telemetry/log-events.ts';
import { metricTable } from '../../src/telemetry/metric-table.ts';
import { readPage } from '../support/pages.ts';
import { unplainIn, wordsIn } from '../support/prose.ts';

const MOST_WORDS_OF_A_SENTENCE = 25;

interface Alerts {
  readonly groups: readonly { readonly rules: readonly { readonly annotations: Record<string, string> }[] }[];
}

const { groups } = parse(readPage('config/prometheus/alerts.yaml')) as Alerts;
const dashboard = readPage('config/grafana/dashboard.json');

const texts = {
  'the help of each metric': Object.values(metricTable).map(({ help }) => help),
  'the text of each log line': Object.values(logEvents).map(({ text }) =>
    typeof text === 'string' ? text : text({ message: 'a text', tap: 'forwarded', isLast: true } as never),
  ),
  'the advice after a failed attempt': [...Object.values(adviceByCode), ...Object.values(adviceByOutcome)],
  'each alert': groups.flatMap(({ rules }) => rules.flatMap(({ annotations }) => Object.values(annotations))),
  'each panel of the dashboard': Array.from(
    dashboard.matchAll(/"(?:title|description)": "(.*)"/g),
    ([, text = '']) => text,
  ),
};

it.each(Object.entries(texts))('%s is plain English, with at most 25 words in a sentence', (_what, all) => {
  expect(all.length).toBeGreaterThan(5);
  const sentences = all.flatMap((text) => text.split(/(?<=[.!?:;]) +/));
  expect(sentences.filter((sentence) => wordsIn(sentence) > MOST_WORDS_OF_A_SENTENCE)).toEqual([]);
  expect(all.flatMap(unplainIn)).toEqual([]);
});
