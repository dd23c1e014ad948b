// `npm run bench`: ratios to a bare HTTP client in the same run. It needs a build, and nothing but loopback.
//   npm run bench                         everything; exit code 1 if a target is missed
//   npm run bench -- --quick              under a minute; exit code 1 if a ratio is worse than 1.5 x its target
//   npm run bench -- --only memory,lmdb   some measurements
//   npm run bench -- --json               machine-readable
//   npm run bench -- --list               what there is, with the targets
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Bench } from './bench.mjs';
import { common, measurements } from './measurements.mjs';
import { cores } from './processes.mjs';
import { judge, labelOf, machine, table, targetOf } from './report.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

/** A busy machine spoils a measurement now and then: the quick run fails only by what it sees so many times. */
const QUICK_TRIES = 3;

async function main() {
  if (values.list) return list();
  const names = values.only?.split(',') ?? usual().map(({ name }) => name);
  const unknown = names.filter((name) => !measurements.some((measurement) => measurement.name === name));
  if (unknown.length > 0) {
    const known = measurements.map(({ name }) => name).join(', ');
    throw new Error(`there is no measurement ${unknown.join(', ')}; there are ${known}`);
  }
  mkdirSync(new URL('../../.cache/', import.meta.url), { recursive: true });
  const { errors, figures } = await measure(names);
  const rows = [...common, ...measurements.flatMap((measurement) => measurement.rows)];
  const results = judge(rows, figures, values.quick);
  const notRun = measurements.map(({ name }) => name).filter((name) => !names.includes(name));
  const date = new Date().toISOString();
  print({ ...machine(), date, quick: values.quick, pinned: cores, results, notRun, errors });
  process.exitCode = errors.length > 0 || results.some(({ failed }) => failed) ? 1 : 0;
}

function usual() {
  return measurements.filter(({ inQuick }) => !values.quick || inQuick !== false);
}

async function measure(names) {
  const errors = [];
  const figures = new Map();
  const bench = new Bench({ isQuick: values.quick });
  for (const measurement of measurements.filter(({ name }) => names.includes(name))) {
    const from = performance.now();
    const measured = await measureOne(bench, measurement);
    for (const [key, more] of measured.figures) figures.set(key, [...(figures.get(key) ?? []), ...more]);
    if (measured.error !== undefined) errors.push({ name: measurement.name, error: measured.error });
    log(`${measurement.name}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
  }
  await bench.stop();
  return { errors, figures };
}

async function measureOne(bench, { name, run, rows }) {
  for (let tries = 1; ; tries += 1) {
    bench.figures = new Map();
    const error = await run(bench).then(
      () => undefined,
      ({ stack }) => stack,
    );
    const failed = judge(rows, bench.figures, values.quick).filter((result) => result.failed);
    if (!values.quick || tries === QUICK_TRIES || (error === undefined && failed.length === 0)) {
      return { figures: bench.figures, error };
    }
    log(`${name}: once more, because of ${error ?? failed.map(({ what }) => what).join('; ')}`);
  }
}

function list() {
  for (const row of [...common, ...measurements.flatMap(({ rows }) => rows)]) {
    console.log(`${labelOf(row)}\t${targetOf(row)}`);
  }
}

/** Beside the result, so that stdout holds the table only. */
function log(text) {
  process.stderr.write(`${text}\n`);
}

function print(result) {
  if (values.json) return void process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  const { node, cpu, pinned, date, results, notRun, errors } = result;
  const where =
    pinned === undefined ? 'not pinned' : `measured on core ${pinned.measured}, all else on ${pinned.others}`;
  console.log(
    `Node ${node}, ${cpu}, ${result.cores} cores (${where}), ${date}${values.quick ? ', quick' : ''}\n`,
  );
  console.log(table(results));
  if (notRun.length > 0) console.log(`\nNot run: ${notRun.join(', ')}`);
  for (const { name, error } of errors) console.log(`\n${name} did not run: ${error}`);
}

await main();
