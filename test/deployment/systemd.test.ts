import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { exitCodes } from '../../src/commands/command.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { folderWith } from '../config/load-text.ts';
import { runCli } from '../support/cli.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const ANALYZER = process.env['SYSTEMD_ANALYZE'] ?? 'systemd-analyze';
const folder = fileURLToPath(new URL('../../config/systemd/', import.meta.url));
const unitFile = join(folder, 'xmpp-event-pusher.service');
const unit = readFileSync(unitFile, 'utf8');
const example = readFileSync(join(folder, 'event-pusher.yaml'), 'utf8');

/** The values of a directive, in order. */
function valuesOf(directive: string): string[] {
  return [...unit.matchAll(new RegExp(`^${directive}=(.*)$`, 'gm'))].map(([, value]) => value ?? '');
}

/** The example's configuration where systemd has put the secret. */
async function exampleConfiguration() {
  const credentials = await folderWith({ 'component-secret': 'swordfish\n' });
  const loaded = await loadConfiguration(join(folder, 'event-pusher.yaml'), {
    CREDENTIALS_DIRECTORY: credentials,
  });
  if ('problems' in loaded) expect.unreachable(JSON.stringify(loaded.problems));
  return loaded.configuration;
}

describe('the systemd unit', () => {
  it('checks the very file that it runs with, in words that the command line knows', async () => {
    const [check, run] = [...valuesOf('ExecStartPre'), ...valuesOf('ExecStart')].map((line) =>
      line.split(' '),
    );
    expect(check?.slice(0, 3)).toEqual(['xmpp-event-pusher', 'check', '-c']);
    expect(run).toEqual(['xmpp-event-pusher', 'run', '-c', check?.[3]]);
    const credentials = await folderWith({ 'component-secret': 'swordfish' });
    const result = await runCli(['check', '-c', join(folder, 'event-pusher.yaml')], {
      environment: { CREDENTIALS_DIRECTORY: credentials },
    });
    expect(result).toMatchObject({ code: 0, stderr: '' });
  });

  it('is not restarted over a configuration that is not good', () => {
    expect(valuesOf('Restart')).toEqual(['on-failure']);
    expect(valuesOf('RestartPreventExitStatus')).toEqual([String(exitCodes.badConfiguration)]);
  });

  it('gives a stop more time than the configuration does', async () => {
    const { shutdownTimeoutMs } = await exampleConfiguration();
    const [timeout] = valuesOf('TimeoutStopSec');
    expect(timeout).toMatch(/^\d+s$/);
    expect(Number.parseInt(timeout ?? '', 10) * 1000).toBeGreaterThan(shutdownTimeoutMs);
  });

  it('lets systemd know when it is up and that it is alive', () => {
    expect(valuesOf('Type')).toEqual(['notify']);
    // Not only what the main process says.
    expect(valuesOf('NotifyAccess')).toEqual(['all']);
    expect(valuesOf('WatchdogSec')).toEqual(['30s']);
  });

  it('comes with a configuration that takes the secret from its credential', async () => {
    const [name] = (valuesOf('LoadCredential')[0] ?? '').split(':');
    expect(example).toMatch(new RegExp(`^  secret_file: \\S+CREDENTIALS_DIRECTORY\\S+/${name}$`, 'm'));
    expect((await exampleConfiguration()).component.secret).toBe('swordfish');
  });

  it('comes with a configuration that keeps the outbox in the folder that it may write to', () => {
    const { outbox } = parse(example) as { outbox: { options: { path: string } } };
    expect(outbox.options.path).toBe(`/var/lib/${valuesOf('StateDirectory')[0]}`);
  });
});

/** The commands in the unit's first comment, to be pasted by root, for a root folder that is not `/`. */
function installBlock(root: string): string {
  const lines = unit.split('\n\n[Unit]')[0]!.split('\n');
  const commands = lines.filter((line) => line.startsWith('#   ')).map((line) => line.slice(4));
  return `${commands.join('\n').replaceAll('/etc/', `${root}/etc/`)}\n`;
}

/** Programs that only write down how they were called. */
async function fakePrograms(...names: string[]): Promise<{ path: string; calls: () => string }> {
  const path = await folderWith({});
  const log = join(path, 'calls');
  for (const name of names) {
    await writeFile(join(path, name), `#!/bin/sh\necho "${name} $*" >> ${log}\n`, { mode: 0o755 });
  }
  return { path, calls: () => readFileSync(log, 'utf8') };
}

/** Pastes a text into a shell, line by line, as a terminal does: what a command reads is what comes next. */
function paste(
  text: string,
  { path }: { path: string },
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('bash', ['-s'], {
    input: text,
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${path}:${process.env['PATH']}` },
  });
}

describe("the commands in the unit's comment", () => {
  it('install what the unit needs, as they are pasted', async () => {
    const root = await folderWith({});
    const programs = await fakePrograms('systemctl');
    const { status, stdout, stderr } = paste(installBlock(root), programs);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(programs.calls().split('\n')).toEqual([
      'systemctl daemon-reload',
      'systemctl enable --now xmpp-event-pusher',
      '',
    ]);
    const modeOf = (path: string): number => statSync(root + path).mode & 0o777;
    const [secretFile] = valuesOf('LoadCredential').map((value) => value.replace(/^.*:/, ''));
    const secret = readFileSync(root + secretFile, 'utf8');
    expect(secret).toMatch(/^[0-9a-f]{48}$/);
    expect(stdout).toBe(`${secret}\n`);
    expect(modeOf(secretFile!)).toBe(0o600);
    expect(readFileSync(`${root}/etc/systemd/system/xmpp-event-pusher.service`, 'utf8')).toBe(unit);
    const [, file] = /-c (\S+)/.exec(valuesOf('ExecStart')[0]!)!;
    expect(readFileSync(root + file, 'utf8')).toBe(example);
    expect(modeOf(file!)).toBe(0o644);
    const environment = { CREDENTIALS_DIRECTORY: dirname(root + secretFile) };
    expect(await runCli(['check', '-c', root + file], { environment })).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  it('leave a secret that is there as it is', async () => {
    const root = await folderWith({ 'etc/xmpp-event-pusher/component-secret': 'swordfish\n' });
    const { status, stdout } = paste(installBlock(root), await fakePrograms('systemctl'));
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'swordfish\n\n' });
  });
});

/** Why systemd cannot be asked about the unit here; undefined if it can. */
function missingSystemd(): string | undefined {
  const { status, stdout } = spawnSync(ANALYZER, ['--version'], { encoding: 'utf8' });
  if (status !== 0) return 'there is no systemd-analyze';
  const [, version = '0'] = /^systemd (\d+)/.exec(stdout) ?? [];
  return Number(version) >= 250
    ? undefined
    : `systemd ${version} cannot look at a unit offline; 250 and later can`;
}

const missing = missingSystemd();

/** What systemd-analyze prints about the unit, with a command in it that is there; rejects if it finds fault. */
async function analyze(...parameters: string[]): Promise<string> {
  const file = join(await folderWith({}), 'xmpp-event-pusher.service');
  await writeFile(file, unit.replaceAll(/^(Exec\w+=)\S+/gm, `$1${process.execPath}`));
  const { stdout, stderr } = await promisify(execFile)(ANALYZER, [...parameters, '--no-pager', file]);
  return stdout + stderr;
}

describe.skipIf(missing !== undefined)(
  missing === undefined
    ? 'systemd, asked about the unit'
    : `systemd, asked about the unit (skipped: ${missing})`,
  () => {
    it('finds no fault in it', async () => {
      expect(await analyze('verify', '--recursive-errors=no')).toBe('');
    });

    it('says that it is exposed by 2.0 at most', async () => {
      const [, level] =
        /Overall exposure level for .*: ([\d.]+)/.exec(await analyze('security', '--offline=true')) ?? [];
      expect(Number(level)).toBeLessThanOrEqual(2);
    });
  },
);
