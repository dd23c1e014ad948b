import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../bootstrap/command.mjs';
import { docker, until } from './stack.mjs';

const packageJson = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const secret = (await readFile(join(root, 'config/containers/component-secret'), 'utf8')).trim();

/** The services that run by default. */
const SERVICES = ['prosody', 'receiver', 'sidecar', 'prometheus'];

const numbered = (word, count) => Array.from({ length: count }, (_, index) => `${word} ${index + 1}`);

/** The texts that have arrived beginning with this word, once they are as many as expected. */
async function arrived(stack, word, count) {
  const ours = async () => (await stack.received()).filter((text) => text.startsWith(`${word} `));
  return until(`${count} notifications "${word}" at the receiver`, ours, (texts) => texts.length >= count);
}

const waiting = (stack, count) =>
  until(
    `${count} notifications waiting`,
    () => stack.metric('event_pusher_outbox_depth'),
    (depth) => depth === count,
  );

const online = (stack) =>
  until(
    'the sidecar is online',
    () => stack.metric('event_pusher_component_connected'),
    (value) => value === 1,
  );

/** What they find in the stack, each leaves there: all of docker-compose.yml's own services up and healthy. */
export const checks = [
  { title: 'the images are built', check: (stack) => stack.compose('build').then(() => undefined) },
  { title: 'the image says who it is, and is not for root', check: checkImage },
  {
    title: 'the image holds the production dependencies, each in its bill of materials',
    check: checkContent,
  },
  {
    title: '`docker compose up --wait` ends with everything healthy',
    check: (stack) => stack.compose('up', '--detach', '--wait', ...SERVICES).then(() => undefined),
  },
  { title: 'one command sends a message, and its notification is at the receiver', check: checkMessage },
  { title: 'Prometheus scrapes the sidecar and has its alerts', check: checkPrometheus },
  { title: 'every container: read-only root, no capabilities, no root, bounded', check: checkHardening },
  { title: 'the secret is in no environment', check: checkSecret },
  { title: 'a secret file of root with mode 0600 is refused with what to do', check: checkUnreadableSecret },
  { title: 'unhealthy while the server is away, healthy when it is back', check: checkServerAway },
  { title: 'SIGTERM ends it, as PID 1, within the grace time', check: checkStop },
  { title: 'a receiver that was down gets everything, in order', check: checkReceiverDown },
  { title: 'what waits is kept over a stop and a new container', check: checkNewContainer },
  { title: 'what waits is kept over kill -9', check: checkKill },
  { title: 'a second sidecar on the same volume is refused', check: checkSecondSidecar },
  {
    title: 'dead letters are shown in its container, and from another one it is said where',
    check: checkDeadLetters,
  },
  { title: 'a file without an outbox section works on a read-only root', check: checkDefaultOutbox },
  { title: 'an outbox that cannot be made is refused with what to do', check: checkNoOutbox },
  {
    title: 'beside ejabberd: the profile comes up, and a message becomes a notification',
    check: checkEjabberd,
  },
];

async function checkImage(stack) {
  const { Config: config } = await stack.inspectImage('sidecar');
  assert.equal(config.User, '1000:1000');
  assert.equal(config.StopSignal, 'SIGTERM');
  assert.deepEqual(Object.keys(config.Volumes), ['/data']);
  assert.deepEqual(config.Healthcheck.Test, ['CMD', 'node', 'dist/main.js', 'healthcheck']);
  assert.equal(config.Labels['org.opencontainers.image.title'], packageJson.name);
  assert.equal(config.Labels['org.opencontainers.image.version'], packageJson.version);
  assert.equal(config.Labels['org.opencontainers.image.licenses'], packageJson.license);
  const { stdout } = await stack.tryCompose(['run', '--rm', '--no-deps', '-T', 'sidecar', '--version']);
  assert.equal(stdout.trim(), packageJson.version);
}

async function checkContent(stack) {
  const script = `
    const { readdirSync, readFileSync } = require('node:fs');
    const lock = JSON.parse(readFileSync('node_modules/.package-lock.json', 'utf8')).packages;
    console.log(JSON.stringify({ files: readdirSync('.'), lock, sbom: JSON.parse(readFileSync('sbom.cdx.json')) }));`;
  const parameters = ['run', '--rm', '--no-deps', '-T', '--entrypoint', 'node', 'sidecar', '-e', script];
  const { stdout, stderr } = await stack.tryCompose(parameters);
  assert.match(stdout, /^{/, stderr);
  const { files, lock, sbom } = JSON.parse(stdout);
  const wanted = ['LICENSE', 'config', 'dist', 'node_modules', 'package.json', 'sbom.cdx.json'];
  assert.deepEqual(files.toSorted(), wanted);
  const name = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const installed = Object.entries(lock).map(([path, { version }]) => `${name(path)}@${version}`);
  const listed = sbom.components.map(
    ({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`,
  );
  assert.deepEqual(new Set(listed), new Set(installed));
  for (const dependency of Object.keys(packageJson.dependencies)) {
    assert.ok(
      listed.some((entry) => entry.startsWith(`${dependency}@`)),
      `${dependency} is installed and listed`,
    );
  }
  for (const dependency of Object.keys(packageJson.devDependencies)) {
    // @types/node comes with the types of the stanzas, for callback modules.
    if (dependency === '@types/node') continue;
    assert.ok(
      !listed.some((entry) => entry.startsWith(`${dependency}@`)),
      `${dependency} is not in the image`,
    );
  }
}

async function checkMessage(stack) {
  await stack.chat(['first 1']);
  assert.deepEqual(await arrived(stack, 'first', 1), ['first 1']);
}

async function checkPrometheus(stack) {
  const query = 'query?query=event_pusher_component_connected';
  const data = await until(
    'Prometheus has scraped the sidecar',
    () => stack.askPrometheus(query),
    (answer) => answer?.result.length > 0,
  );
  assert.equal(data.result[0].value[1], '1');
  const { groups } = await stack.askPrometheus('rules');
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 0, 'Prometheus has rules');
  assert.deepEqual(
    rules.filter(({ health }) => health === 'err'),
    [],
  );
}

async function checkHardening(stack) {
  for (const service of SERVICES) {
    const { stdout: status } = await stack.tryInside(service, 'cat /proc/1/status');
    const field = (name) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1];
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      assert.equal(field(set), '0000000000000000', `${set} of ${service}`);
    }
    assert.equal(field('NoNewPrivs'), '1', service);
    assert.equal(field('Seccomp'), '2', service);
    assert.notEqual(field('Uid'), '0', service);
    for (const folder of [
      '/',
      '/etc',
      '/usr',
      '/var',
      ...(service === 'sidecar' ? ['/app', '/app/config'] : []),
    ]) {
      const { code, stderr } = await stack.tryInside(service, `echo x > ${folder}/probe`);
      assert.notEqual(code, 0, `${service} can write to ${folder}`);
      assert.match(stderr, /Read-only file system/, `${service}, ${folder}`);
    }
    const { HostConfig: host } = await stack.inspect(service);
    assert.ok(host.Memory > 0 && host.PidsLimit > 0, `${service} has limits for memory and processes`);
  }
  const { code, stderr } = await stack.tryInside('sidecar', 'echo x > /data/probe && rm /data/probe');
  assert.equal(code, 0, stderr);
  const { stdout: mode } = await stack.tryInside('sidecar', 'stat --format="%a %u:%g" /data');
  assert.equal(mode.trim(), '700 1000:1000');
}

async function checkSecret(stack) {
  for (const service of ['prosody', 'sidecar']) {
    assert.ok(
      !JSON.stringify(await stack.inspect(service)).includes(secret),
      `the engine knows it of ${service}`,
    );
  }
  const { stdout } = await stack.tryInside('sidecar', 'cat /proc/1/environ; cat /proc/1/cmdline');
  assert.ok(!stdout.includes(secret));
}

async function checkUnreadableSecret(stack) {
  if (process.getuid?.() !== 0) return 'only root can make a file of root';
  const file = join(stack.folder, 'component-secret');
  await writeFile(file, secret);
  await chmod(file, 0o600);
  for (const command of ['check', 'run']) {
    const parameters = ['run', '--rm', '--no-deps', '-T', 'sidecar', command];
    const { code, stderr } = await stack.tryCompose(parameters, { COMPONENT_SECRET_FILE: file });
    assert.equal(code, 78, stderr);
    assert.match(
      stderr,
      /event-pusher\.yaml:\d+:\d+: component\.secret_file .*\(uid 1000\).* uid 0 .*0600.*chmod 0444/,
    );
  }
  return undefined;
}

async function checkServerAway(stack) {
  await stack.compose('stop', 'prosody');
  const healthcheck = () => stack.tryInside('sidecar', 'node dist/main.js healthcheck');
  const { stderr } = await until('the healthcheck fails', healthcheck, ({ code }) => code === 1);
  assert.match(stderr, /not ready: \/readyz responds with 503/);
  await stack.compose('up', '--detach', '--wait', 'prosody');
  await until('the healthcheck succeeds', healthcheck, ({ code }) => code === 0);
}

async function checkStop(stack) {
  await stack.compose('stop', 'sidecar');
  const { State: state } = await stack.inspect('sidecar');
  // 137 would be the engine's SIGKILL after the grace time, 143 the default action of SIGTERM.
  assert.equal(state.ExitCode, 0);
  assert.match(await stack.compose('logs', '--no-log-prefix', 'sidecar'), /"event":"sidecar-stopped"/);
  await stack.compose('up', '--detach', '--wait', 'sidecar');
}

async function checkReceiverDown(stack) {
  await stack.compose('stop', 'receiver');
  const texts = numbered('away', 30);
  await stack.chat(texts);
  await waiting(stack, 30);
  await until(
    'it has been tried more than once',
    () => stack.metric('event_pusher_attempts_total'),
    (attempts) => attempts >= 4,
  );
  await stack.compose('start', 'receiver');
  assert.deepEqual(await arrived(stack, 'away', 30), texts);
  await waiting(stack, 0);
}

async function checkNewContainer(stack) {
  const texts = numbered('kept', 30);
  await stack.compose('stop', 'receiver');
  await stack.chat(texts);
  await waiting(stack, 30);
  const before = await stack.containerOf('sidecar');
  await stack.compose('up', '--detach', '--wait', '--force-recreate', 'sidecar');
  assert.notEqual(await stack.containerOf('sidecar'), before);
  await waiting(stack, 30);
  assert.ok(!(await stack.inspect('receiver')).State.Running, 'the receiver is still away');
  await stack.compose('start', 'receiver');
  assert.deepEqual(await arrived(stack, 'kept', 30), texts);
}

async function checkKill(stack) {
  const texts = numbered('killed', 30);
  await stack.compose('stop', 'receiver');
  await stack.chat(texts);
  await waiting(stack, 30);
  const sidecar = await stack.containerOf('sidecar');
  await stack.docker('kill', '--signal', 'KILL', sidecar);
  assert.equal((await stack.inspect('sidecar')).State.ExitCode, 137);
  await stack.docker('start', sidecar);
  await waiting(stack, 30);
  await stack.compose('start', 'receiver');
  assert.deepEqual(await arrived(stack, 'killed', 30), texts);
  await online(stack);
}

async function checkSecondSidecar(stack) {
  const { code, stderr } = await stack.tryCompose(['run', '--rm', '--no-deps', '-T', 'sidecar', 'run']);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /another sidecar works on it/);
  await online(stack);
}

async function checkDeadLetters(stack) {
  const command = ['xmpp-event-pusher', 'dead-letters', 'list'];
  const inside = await stack.tryCompose(['exec', '-T', 'sidecar', ...command]);
  assert.deepEqual(inside, { code: 0, stdout: '', stderr: '' });
  const beside = await stack.tryCompose(['run', '--rm', '--no-deps', '-T', 'sidecar', ...command.slice(1)]);
  assert.equal(beside.code, 1, beside.stderr);
  assert.match(beside.stderr, /cannot open \/data: .*another container; run this in that container/);
  await online(stack);
}

const hardened = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
const anySecret = ['--env', 'XMPP_COMPONENT_SECRET=none'];

async function checkDefaultOutbox(stack) {
  const file = `${join(root, 'config/event-pusher.yaml')}:/app/config/event-pusher.yaml:ro`;
  const id = await stack.start('sidecar', ...hardened, ...anySecret, '--volume', file);
  const log = () => stack.docker('logs', id);
  await until('it runs', log, (lines) => lines.includes('"event":"component-connecting"'));
  assert.notEqual((await stack.docker('exec', id, 'ls', '/data')).trim(), '');
  await stack.docker('stop', '--time', '15', id);
  assert.equal((await stack.docker('inspect', '--format', '{{.State.ExitCode}}', id)).trim(), '0');
}

async function checkNoOutbox(stack) {
  const folder = `${join(root, 'config')}:/app/config:ro`;
  const id = await stack.start('sidecar', ...hardened, ...anySecret, '--volume', folder);
  assert.equal((await stack.docker('wait', id)).trim(), '1');
  const { stderr } = await docker(['logs', id]);
  assert.match(stderr, /cannot open \/app\/config\/data: .*set (this|another) path/);
}

async function checkEjabberd(stack) {
  await stack.compose('up', '--detach', '--wait', 'ejabberd', 'sidecar-ejabberd');
  await stack.chat(['ejabberd 1'], { server: 'ejabberd' });
  assert.deepEqual(await arrived(stack, 'ejabberd', 1), ['ejabberd 1']);
}
