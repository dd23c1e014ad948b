import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root, run } from './command.mjs';

/**
 * Installs the npm packages if any is missing or not the one in the lock file; asks no registry otherwise.
 * @throws Error with npm's output.
 */
export async function ensurePackages(log) {
  if (await areInstalled()) return;
  log('Installing the npm packages (npm ci) ...');
  const { code, output } = await run('npm', ['ci', '--no-progress']);
  if (code !== 0) throw new Error(`npm ci failed with exit code ${code}:\n${output.trimEnd()}`);
}

async function areInstalled() {
  const [wanted, installed] = await Promise.all(
    ['package-lock.json', 'node_modules/.package-lock.json'].map(readPackages),
  );
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    const there = installed[path];
    // npm leaves out the optional packages that are for other platforms.
    if (path === '' || (there === undefined && optional)) return true;
    return there?.version === version && there.integrity === integrity;
  });
}

async function readPackages(file) {
  try {
    return JSON.parse(await readFile(join(root, file), 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
