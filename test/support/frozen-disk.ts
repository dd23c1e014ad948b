import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, onTestFinished } from 'vitest';
import { once } from './wait.ts';
import { allow } from './limits.ts';

allow('processes');

const BYTES = 64 * 1024 * 1024;

/** A file system of its own that can be frozen, as backups of virtual machines and of LVM do. */
export interface FreezableDisk {
  readonly folder: string;
  /** Has every write to it wait, until `thaw`. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

/** A suite that needs to freeze a file system; skipped, saying so, where that is not possible. */
export function describeWithFreezableDisk(
  name: string,
  suite: (makeDisk: () => FreezableDisk) => void,
): void {
  const reason = reasonAgainst();
  if (reason === undefined) describe(name, () => suite(makeDisk));
  else describe.skip(`${name} (${reason})`, () => suite(makeDisk));
}

function makeDisk(): FreezableDisk {
  const { folder, remove } = mountImage();
  let freezer: ChildProcess | undefined;
  const thaw = async (): Promise<void> => {
    if (freezer === undefined) return;
    const ended = once(freezer, 'close');
    freezer.stdin!.end();
    await ended;
    freezer = undefined;
  };
  onTestFinished(async () => {
    await thaw();
    remove();
  });
  return {
    folder,
    thaw,
    freeze: async () => {
      // It thaws when its stdin ends: also when this process is killed.
      const script = 'fsfreeze --freeze "$1" && echo frozen && read -r _; fsfreeze --unfreeze "$1"';
      freezer = spawn('sh', ['-c', script, 'sh', folder], { stdio: ['pipe', 'pipe', 'inherit'] });
      await once(freezer.stdout!, 'data');
    },
  };
}

function mountImage(): { readonly folder: string; readonly remove: () => void } {
  const base = mkdtempSync(join(tmpdir(), 'freezable-disk-'));
  const image = join(base, 'image');
  const folder = mkdtempSync(join(base, 'mounted-'));
  const remove = (): void => {
    spawnSync('umount', ['-l', folder]);
    rmSync(base, { recursive: true, force: true });
  };
  writeFileSync(image, '');
  truncateSync(image, BYTES);
  for (const [command, ...parameters] of [
    ['mkfs.ext4', '-q', image],
    ['mount', '-o', 'loop', image, folder],
  ] as const) {
    const { status, stderr } = spawnSync(command, parameters, { encoding: 'utf8' });
    if (status === 0) continue;
    remove();
    throw new Error(`${command} failed: ${stderr}`);
  }
  return { folder, remove };
}

function reasonAgainst(): string | undefined {
  try {
    const { folder, remove } = mountImage();
    const { status } = spawnSync('sh', ['-c', 'fsfreeze -f "$1" && fsfreeze -u "$1"', 'sh', folder]);
    remove();
    return status === 0 ? undefined : 'this user cannot freeze a file system';
  } catch {
    return 'this user cannot mount a file system of its own';
  }
}
