import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { appendFile, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watch } from '../support/watch.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const environment = { ...process.env, XMPP_COMPONENT_SECRET: 'swordfish' };

/** What an operator or a developer may have beside the product's files, and nobody else is to get. */
const PRIVATE = [
  '.env',
  'component-secret',
  'data/data.mdb',
  'config/component-secret',
  'config/data/data.mdb',
  'config/containers/component-secret',
  'test/some.test.ts',
  'xmpp-event-pusher-0.0.1.tgz',
];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
function run(file: string, parameters: readonly string[], folder: string): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(file, parameters, { cwd: folder, env: environment }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
      resolve({ code, stdout, stderr });
    });
  });
}

async function succeed(file: string, parameters: readonly string[], folder: string): Promise<string> {
  const { code, stdout, stderr } = await run(file, parameters, folder);
  expect(code, `${file} ${parameters.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

/** Builds and packs a copy of the project, so that nothing left in dist/ by earlier builds can hide or help. */
async function pack(folder: string): Promise<{ filename: string; files: { path: string }[] }> {
  for (const name of [
    'package.json',
    '.npmrc',
    'tsconfig.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'src',
    'config',
  ]) {
    await cp(join(root, name), join(folder, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const name of PRIVATE) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), 'private');
  }
  await succeed('npm', ['run', 'build'], folder);
  const packed = await succeed('npm', ['pack', '--json', '--ignore-scripts'], folder);
  const [tarball] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
  return tarball;
}

describe('the package', () => {
  let folder: string;
  let tarball: string;
  let paths: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'xmpp-event-pusher-package-'));
    const packed = await pack(folder);
    tarball = join(folder, packed.filename);
    paths = packed.files.map(({ path }) => path);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** The names directly in a folder of the package. */
  const namesIn = (prefix: string): string[] =>
    [
      ...new Set(
        paths
          .filter((path) => path.startsWith(prefix))
          .map((path) => path.slice(prefix.length).split('/')[0] ?? ''),
      ),
    ].toSorted();

  it('holds what is needed to run and configure it, and nothing else', () => {
    expect(namesIn('')).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'config', 'dist', 'package.json']);
    expect(namesIn('config/')).toEqual([
      'callbacks',
      'ejabberd',
      'event-pusher.callbacks.yaml',
      'event-pusher.full.yaml',
      'event-pusher.yaml',
      'grafana',
      'mongooseim',
      'prometheus',
      'prosody',
      'security.md',
      'systemd',
      'troubleshooting.md',
      'upgrade.md',
    ]);
    expect(
      paths.filter((path) => PRIVATE.includes(path) || /^config.*secret|^test|\.test\./.test(path)),
    ).toEqual([]);
  });

  it('holds one module and its types for each source', async () => {
    const sources = await readdir(join(root, 'src'), { recursive: true });
    const modules = sources.filter((name) => /(?<!\.d)\.[jt]s$/.test(name));
    const built = modules.flatMap((name) =>
      ['.js', '.d.ts'].map((ending) => `dist/${name.replace(/\.[jt]s$/, ending)}`),
    );
    expect(paths.filter((path) => path.startsWith('dist/')).toSorted()).toEqual(built.toSorted());
  });

  it('installs elsewhere and runs', async (context) => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'package.json'), '{}');
    const options = ['--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock', '--fetch-retries=1'];
    const installed = await run('npm', ['install', ...options, tarball], elsewhere);
    const [, reason] =
      /npm error code (E(?:NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|NETUNREACH|NOTCACHED))/.exec(
        installed.stderr,
      ) ?? [];
    context.skip(reason !== undefined, `no package registry can be reached (${reason})`);
    expect(installed.code, installed.stderr).toBe(0);

    const command = join(elsewhere, 'node_modules/.bin/xmpp-event-pusher');
    expect(await succeed(command, ['--version'], elsewhere)).toBe(`${version}\n`);
    await mkdir(join(elsewhere, 'config'));
    const packaged = join(elsewhere, 'node_modules/xmpp-event-pusher/config/event-pusher.yaml');
    await cp(packaged, join(elsewhere, 'config/event-pusher.yaml'));
    expect(await succeed(command, ['check'], elsewhere)).toBe('config/event-pusher.yaml: good\n');
    // Another sidecar may have the usual port on this machine.
    await appendFile(join(elsewhere, 'config/event-pusher.yaml'), '\ntelemetry: { listen: 127.0.0.1:0 }\n');
    await expectToRun(command, elsewhere);
  });
});

/** Runs until it looks for its server, which takes all modules and the outbox, and stops it. */
async function expectToRun(command: string, folder: string): Promise<void> {
  const child = spawn(command, ['run'], { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    let output = '';
    const ended = once(child, 'close');
    const { tell, seen } = watch(ended, () => output);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        tell();
      });
    }
    await seen('component-connecting', () => output.includes('"event":"component-connecting"') || undefined);
    child.kill('SIGTERM');
    expect(await ended, output).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
}

interface Audit {
  readonly vulnerabilities?: Record<string, unknown>;
  readonly message?: string;
  readonly error?: { readonly summary?: string };
}

const audit = await run(
  'npm',
  ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=20000'],
  root,
).then(({ stdout }) => JSON.parse(stdout) as Audit);
const unaudited =
  audit.vulnerabilities === undefined
    ? ` (skipped: the registry answers no audit: ${audit.message ?? audit.error?.summary ?? 'no reason given'})`
    : '';

describe.skipIf(unaudited !== '')(`npm audit${unaudited}`, () => {
  it('knows of nothing against the production dependencies', () => {
    expect(audit.vulnerabilities).toEqual({});
  });
});
