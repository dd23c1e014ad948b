// What `npm run test:containers` does: builds the images of docker-compose.yml, starts them, and checks that what an operator
// relies on holds with a real engine. Skipped, with the reason, where there is none. It takes whatever engine `docker` speaks
// to (PATH, DOCKER_HOST) and removes all that it started; layers stay in the engine's build cache.
// Exit code: 0 when nothing failed or there is no engine, 1 otherwise.
import { checks } from './checks.mjs';
import { missingEngine, openStack } from './stack.mjs';

const PATIENCE_MS = 10 * 60_000;

class TooLate extends Error {}

/** Lets a check take its time, but neither for ever nor after Ctrl-C. */
function inTime(step, signal) {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => reject(new TooLate(`not done in ${PATIENCE_MS} ms`)), PATIENCE_MS);
    const interrupt = () => reject(signal.reason);
    signal.addEventListener('abort', interrupt, { once: true });
    step()
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(patience);
        signal.removeEventListener('abort', interrupt);
      });
  });
}

/** Runs the checks in turn, since each finds the stack as the one before has left it; whether all went well. */
async function runChecks(stack, signal) {
  for (const [index, { title, check }] of checks.entries()) {
    const from = performance.now();
    const seconds = () => `${((performance.now() - from) / 1000).toFixed(1)} s`;
    try {
      const skipped = await inTime(() => check(stack), signal);
      console.log(skipped === undefined ? `✓ ${title} (${seconds()})` : `- ${title} (skipped: ${skipped})`);
    } catch (error) {
      console.log(`✗ ${title} (${seconds()})\n${error.message}`);
      if (!signal.aborted) console.log(`\nThe last lines of the containers:\n${await stack.lastLines()}`);
      const left = checks.slice(index + 1).map((later) => later.title);
      if (left.length > 0) console.log(`Not run:\n${left.map((later) => `  ${later}`).join('\n')}`);
      return false;
    }
  }
  return true;
}

const missing = await missingEngine();
if (missing !== undefined) {
  console.log(`Skipped: ${missing}`);
} else {
  const ending = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(name, () => ending.abort(new Error(`ended by ${name}`)));
  }
  const stack = await openStack();
  try {
    process.exitCode = (await runChecks(stack, ending.signal)) ? 0 : 1;
  } finally {
    await stack.close();
  }
  console.log(
    process.exitCode === 0 ? 'Nothing failed; all containers are gone.' : 'FAILED; all containers are gone.',
  );
  // What a check gave up waiting for must not keep us.
  process.exit();
}
