import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, onTestFinished } from 'vitest';
import { allow } from './limits.ts';

allow('processes');

/** A small file system of its own, in memory. */
export interface SmallDisk {
  readonly folder: string;
  /** Makes it four times as large. */
  grow(): void;
  /** Has somebody else take all that is free, to the last byte. */
  fill(): void;
  /** Takes that away again. */
  unfill(): void;
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
  const other = join(folder, 'other');
  return {
    folder,
    grow: () => mount('-o', `remount,size=${4 * bytes}`, folder),
    fill: () => fill(other),
    unfill: () => rmSync(other),
  };
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  const bytes = Buffer.alloc(65_536, 'x');
  for (let length = bytes.length; length >= 1;) {
    try {
      writeSync(file, bytes, 0, length);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      length /= 2;
    }
  }
  closeSync(file);
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
