import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placesOf } from '../support/pages.ts';
import { watch } from '../support/watch.ts';
import { allow } from '../support/limits.ts';

allow('processes');

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
    'package-lock.json',
    '.npmrc',
    '.ci',
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
  const packed = await succeed('npm', ['pack', '--json', '--foreground-scripts=false'], folder);
  const [tarball] = JSON.parse(packed.slice(packed.indexOf('[\n'))) as [
    { filename: string; files: { path: string }[] },
  ];
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
    expect(namesIn('')).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'config',
      'dist',
      'npm-shrinkwrap.json',
      'package.json',
    ]);
    expect(existsSync(join(folder, 'npm-shrinkwrap.json')), 'it is left behind').toBe(false);
  });

  it('holds the versions of all production dependencies that were tested, for who installs from its folder', async () => {
    const text = await succeed('tar', ['-xzOf', tarball, 'package/npm-shrinkwrap.json'], folder);
    const { packages } = JSON.parse(text) as Lock;
    const { packages: locked } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lock;
    const production = Object.entries(locked).filter(([path, { dev }]) => path !== '' && dev !== true);
    expect(production.length).toBeGreaterThan(20);
    expect(Object.entries(packages).filter(([path]) => path !== '')).toEqual(production);
    expect(namesIn('config/')).toEqual([
      'README.md',
      'backup.md',
      'callbacks',
      'callbacks.md',
      'commands.md',
      'configuration.md',
      'delivery.md',
      'ejabberd',
      'event-pusher.callbacks.yaml',
      'event-pusher.full.yaml',
      'event-pusher.yaml',
      'grafana',
      'log.md',
      'metrics.md',
      'mongooseim',
      'performance.md',
      'prometheus',
      'promises.md',
      'prosody',
      'security.md',
      'systemd',
      'taps.md',
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

  it('has links only to what it holds, and to places that its pages have', async () => {
    const pages = paths.filter((path) => path.endsWith('.md'));
    expect(pages).toContain('config/troubleshooting.md');
    for (const page of pages) {
      const text = await readFile(join(root, page), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [file = '', place] = target.split('#');
        const path = file === '' ? page : posix.join(posix.dirname(page), file);
        expect(
          paths.some((each) => each === path || each.startsWith(`${path}/`)),
          `${page}: ${target}`,
        ).toBe(true);
        if (place === undefined) continue;
        expect(placesOf(await readFile(join(root, path), 'utf8')), `${page}: ${target}`).toContain(place);
      }
    }
  });

  it('installs as the README says, with the versions that package.json pins, whoever depends on them, and runs', async (context) => {
    expect(await readFile(join(root, 'README.md'), 'utf8')).toContain(
      `npm install --global ./${basename(tarball)} `,
    );
    const prefix = join(folder, 'prefix');
    const options = [
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--fetch-retries=1',
      `--prefix=${prefix}`,
    ];
    const installed = await run('npm', ['install', '--global', ...options, tarball], tmpdir());
    const [, reason] =
      /npm error code (E(?:NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|NETUNREACH|NOTCACHED))/.exec(
        installed.stderr,
      ) ?? [];
    context.skip(reason !== undefined, `no package registry can be reached (${reason})`);
    expect(installed.code, installed.stderr).toBe(0);

    const home = join(prefix, 'lib/node_modules/xmpp-event-pusher');
    const { dependencies, optionalDependencies } = await manifestIn(root);
    const pinned = { ...dependencies, ...optionalDependencies };
    expect(Object.keys(pinned)).toContain('msgpackr-extract');
    for (const [name, pin] of Object.entries(pinned)) {
      expect(await versionsBelow(join(home, 'node_modules'), name), name).toEqual([pin]);
    }
    expect((await manifestIn(home)).version).toBe(version);
    const command = join(prefix, 'bin/xmpp-event-pusher');
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(join(elsewhere, 'config'), { recursive: true });
    expect(await succeed(command, ['--version'], elsewhere)).toBe(`${version}\n`);
    await cp(join(home, 'config/event-pusher.yaml'), join(elsewhere, 'config/event-pusher.yaml'));
    expect(await succeed(command, ['check'], elsewhere)).toBe('config/event-pusher.yaml: good\n');
    // Another sidecar may have the usual port on this machine.
    await appendFile(join(elsewhere, 'config/event-pusher.yaml'), '\ntelemetry: { listen: 127.0.0.1:0 }\n');
    await expectToRun(command, elsewhere);
  });
});

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

async function manifestIn(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** The versions of a package that are anywhere below a folder, each once. */
async function versionsBelow(folder: string, name: string): Promise<(string | undefined)[]> {
  const files = await readdir(folder, { recursive: true });
  const places = files.filter(
    (file) => `/${file}`.endsWith(`/${name}/package.json`) && isInstalled(file, name),
  );
  const manifests = await Promise.all(places.map((place) => manifestIn(join(folder, dirname(place)))));
  return [...new Set(manifests.map((manifest) => manifest.version))];
}

/** Directly below a `node_modules`, not in some folder of a package. */
function isInstalled(file: string, name: string): boolean {
  return file === `${name}/package.json` || file.endsWith(`/node_modules/${name}/package.json`);
}

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
