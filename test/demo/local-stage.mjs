import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from '../bootstrap/command.mjs';
import { Child } from './child.mjs';
import { freePort } from './ports.mjs';
import { startReceiver } from './receiver.mjs';

const address = '127.0.0.1';
const domain = 'push.localhost';
const prosodyFile = join('test', 'demo', 'prosody.cfg.lua');
const sidecarFile = join('test', 'demo', 'event-pusher.yaml');

/**
 * Prosody, a receiver and the sidecar as processes of this machine; resolves when the component is online. `scene` says
 * how to end them (`undo`), whom to tell about failures and notifications, and `signal` that no more is to be started.
 */
export async function openLocalStage(prosody, { users, password, scene }) {
  const folder = mkdtempSync(join(tmpdir(), 'xmpp-event-pusher-demo-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  const secret = randomBytes(16).toString('hex');
  const receiver = await startReceiver({ host: address, port: 0, onNotification: scene.onNotification });
  scene.undo(receiver.stop);

  const [clientPort, componentPort] = [await freePort(), await freePort()];
  const environment = {
    DEMO_FOLDER: folder,
    DEMO_TAP_FOLDER: join(root, 'config', 'prosody'),
    DEMO_ADDRESS: address,
    DEMO_CLIENT_PORT: String(clientPort),
    DEMO_COMPONENT_PORT: String(componentPort),
    DEMO_COMPONENT_SERVICE: `xmpp://${address}:${componentPort}`,
    DEMO_RECEIVER: `http://${address}:${receiver.port}`,
    DEMO_TELEMETRY: `${address}:0`,
    DEMO_SECRET: secret,
  };
  for (const user of users) await register(prosody.path, user, { password, environment });
  await startProsody(prosody.path, { environment, scene });
  const metricsUrl = await startSidecar({ environment, scene });
  return {
    clientPort,
    metricsUrl,
    parts: [
      ['Prosody', `${prosody.version}, for clients on ${address}:${clientPort}`],
      ['Sidecar', `component ${domain} on ${address}:${componentPort}, online`],
      ['Receiver', environment.DEMO_RECEIVER],
    ],
  };
}

async function register(prosody, user, { password, environment }) {
  const parameters = ['--config', prosodyFile, 'register', user, 'localhost', password];
  const { code, output } = await run(`${prosody}ctl`, parameters, { env: environment });
  if (code !== 0) throw new Error(`prosodyctl could not register ${user} (exit code ${code}): ${output}`);
}

async function startProsody(file, { environment, scene }) {
  const parameters = ['--config', join(root, prosodyFile), '-F'];
  const prosody = openChild('Prosody', { file, parameters, env: environment, scene });
  await scene.inTime(
    prosody,
    ['c2s', 'component'].map((service) =>
      prosody.line((line) => line.includes(`Activated service '${service}' on [${address}]`)),
    ),
  );
}

/** Resolves to the URL of the sidecar's metrics. */
async function startSidecar({ environment, scene }) {
  const parameters = [join(root, 'dist', 'main.js'), 'run', '-c', join(root, sidecarFile)];
  const sidecar = openChild('The sidecar', { file: process.execPath, parameters, env: environment, scene });
  const logged = (event) => sidecar.line((line) => line.includes(`"event":"${event}"`) && JSON.parse(line));
  const [listening] = await scene.inTime(sidecar, [
    logged('telemetry-listening'),
    logged('component-online'),
  ]);
  return `http://${address}:${listening.port}/metrics`;
}

function openChild(name, { scene, ...command }) {
  scene.signal.throwIfAborted();
  const child = new Child(name, { ...command, onFailure: scene.onFailure });
  scene.parts.push(child);
  scene.undo(() => child.stop());
  return child;
}
