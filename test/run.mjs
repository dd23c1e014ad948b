// What `npm test` does: installs what is missing, builds, checks and tests. Plain JavaScript without dependencies,
// because in a fresh clone it runs before anything is installed.
//   npm test                  everything
//   npm test -- test/core     only the tests that vitest finds with these parameters, after the build
import { ensureServers } from './servers/install.mjs';
import { run } from './bootstrap/command.mjs';
import { ensurePackages } from './bootstrap/packages.mjs';
import { runTests } from './bootstrap/tests.mjs';

const parameters = process.argv.slice(2);
const isCi = process.env.CI === 'true';
const started = performance.now();
const missing = [];
let result;

const install = [
  { name: 'packages', step: () => ensurePackages(console.log) },
  { name: 'servers', step: findServers },
  { name: 'build', step: () => npmRun('build') },
];
const checks = [
  { name: 'format', step: () => npmRun('format:check') },
  { name: 'lint', step: () => npmRun('lint') },
  { name: 'types', step: () => npmRun('types') },
  { name: 'unused code', step: () => npmRun('unused') },
];
const tests = { name: 'tests', step: testAll };
const steps = [...install, ...(parameters.length === 0 ? checks : []), tests];

async function findServers() {
  const servers = await ensureServers({ log: console.log });
  for (const [name, server] of Object.entries(servers)) {
    if ('missing' in server) missing.push(server.missing);
    console.log(`${name}: ${server.missing ?? server.version}`);
  }
  if (isCi && missing.length > 0) throw new Error('Under CI=true every server must be there.');
}

async function npmRun(script) {
  const { code, output } = await run('npm', ['run', '--silent', script]);
  if (code !== 0) throw new Error(`npm run ${script} ended with exit code ${code}:\n${output.trimEnd()}`);
}

async function testAll() {
  result = await runTests(parameters);
  if (result.code !== 0) throw new Error(`vitest ended with exit code ${result.code}: see above.`);
}

/** Runs the steps one after the other; the name of the one that failed, and of those after it. */
async function runSteps() {
  console.log(`Node ${process.version}`);
  for (const [index, { name, step }] of steps.entries()) {
    const from = performance.now();
    try {
      await step();
      console.log(`✓ ${name} ${seconds(from)}`);
    } catch (error) {
      console.log(error.message);
      console.log(`✗ ${name} ${seconds(from)}`);
      return { failed: name, notRun: steps.slice(index + 1).map((later) => later.name) };
    }
  }
  return { notRun: [] };
}

function seconds(from) {
  return `${((performance.now() - from) / 1000).toFixed(1)} s`;
}

function report({ failed, notRun }) {
  console.log('');
  for (const reason of missing) console.log(`Missing: ${reason}`);
  for (const [what, times] of result?.skips ?? []) console.log(`Skipped (${times}): ${what}`);
  if (notRun.length > 0) console.log(`Not run: ${notRun.join(', ')}`);
  console.log(failed === undefined ? `Nothing failed, after ${seconds(started)}.` : `FAILED: ${failed}`);
  if (result === undefined) return;
  const { passed, failed: failures, skipped } = result.total;
  console.log(`${passed} passed, ${failures} failed, ${skipped} skipped`);
}

const outcome = await runSteps();
report(outcome);
process.exitCode = outcome.failed === undefined ? 0 : 1;
