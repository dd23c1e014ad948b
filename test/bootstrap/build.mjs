import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { root, run } from './command.mjs';

/**
 * Builds the product if its build is missing or older than a source.
 * @throws Error with the compiler's output.
 */
export async function ensureBuild(log) {
  const built = await modifiedMs('dist/main.js');
  const names = await readdir(join(root, 'src'), { recursive: true });
  const sources = ['package.json', 'tsconfig.json', ...names.map((name) => join('src', name))];
  const times = await Promise.all(sources.map(modifiedMs));
  if (built > Math.max(...times)) return;
  log('Building (npm run build) ...');
  const { code, output } = await run('npm', ['run', '--silent', 'build']);
  if (code !== 0) throw new Error(`The build failed:\n${output}`);
}

/** 0 for a file that is not there. */
async function modifiedMs(path) {
  try {
    return (await stat(join(root, path))).mtimeMs;
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}
