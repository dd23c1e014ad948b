import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, onTestFinished } from 'vitest';

/** A small file system of its own, in memory. */
export interface SmallDisk {
  readonly folder: string;
  /** Makes it four times as large. */
  grow(): void;
}

/** A suite that needs to mount; skipped, saying so, where that is not possible. */
export function describeWithSmallDisk(
  name: string,
  suite: (makeDisk: (bytes: number) => SmallDisk) => void,
): void {
  const reason = reasonAgainst();
  if (reason === undefined) describe(name, () => suite(makeDisk));
  else describe.skip(`${name} (${reason})`, () => suite(makeDisk));
}

function makeDisk(bytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  mount('-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder);
  onTestFinished(() => {
    spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, grow: () => mount('-o', `remount,size=${4 * bytes}`, folder) };
}

function mount(...parameters: readonly string[]): void {
  const { status, stderr } = spawnSync('mount', parameters, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount failed: ${stderr}`);
}

function reasonAgainst(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=65536', 'tmpfs', folder]);
  if (mounted.status === 0) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return mounted.status === 0 ? undefined : 'this user cannot mount a small disk';
}
