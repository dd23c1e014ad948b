import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { root, run } from './command.mjs';

/**
 * Runs the tests (parameters: vitest's own; none means all) and counts them: exit code, tests passed, failed and
 * skipped (a file that could not be loaded is one that failed), and which suites were skipped in which files.
 */
export async function runTests(parameters) {
  const folder = await mkdtemp(join(tmpdir(), 'xmpp-event-pusher-tests-'));
  try {
    const report = join(folder, 'report.json');
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const options = ['run', '--config', 'test/vitest.config.ts', ...reporters, ...parameters];
    const { code } = await run(process.execPath, [vitest, ...options], { show: true });
    const files = await readFile(report, 'utf8').then(
      (text) => JSON.parse(text).testResults,
      () => [],
    );
    return { code, ...count(files) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function count(files) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const skips = new Map();
  for (const { name, status, assertionResults } of files) {
    for (const { status: outcome, ancestorTitles, title } of assertionResults) {
      const kind = outcome in total ? outcome : 'skipped';
      total[kind] += 1;
      if (kind !== 'skipped') continue;
      const what = `${relative(root, name)}: ${ancestorTitles[0] ?? title}`;
      skips.set(what, (skips.get(what) ?? 0) + 1);
    }
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) total.failed += 1;
  }
  return { total, skips };
}
