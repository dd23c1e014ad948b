import { run } from '../bootstrap/command.mjs';
import { Child } from './child.mjs';
import { freePort } from './ports.mjs';

/** Whether `docker compose` and an engine are there. */
export async function canCompose() {
  for (const parameters of [['compose', 'version'], ['info']]) {
    const { code } = await run('docker', parameters);
    if (code !== 0) return false;
  }
  return true;
}

/** The same as openLocalStage, in the containers of docker-compose.yml. */
export async function openComposeStage(scene) {
  const [clientPort, telemetryPort] = [await freePort(), await freePort()];
  const env = {
    COMPOSE_PROJECT_NAME: `xmpp-event-pusher-demo-${process.pid}`,
    DEMO_CLIENT_PORT: String(clientPort),
    DEMO_TELEMETRY_PORT: String(telemetryPort),
  };
  const compose = (...parameters) => run('docker', ['compose', ...parameters], { env });
  scene.signal.throwIfAborted();
  scene.undo(() => compose('down', '--volumes', '--remove-orphans', '--rmi', 'local', '--timeout', '5'));
  const { code, output } = await compose('up', '--build', '--detach', '--wait', 'sidecar');
  if (code !== 0) {
    const logs = await compose('logs', '--tail', '5');
    throw new Error(`docker compose up failed:\n${lastLines(output)}\n${lastLines(logs.output)}`);
  }

  scene.signal.throwIfAborted();
  const receiver = new Child('The log of the receiver', {
    file: 'docker',
    parameters: ['compose', 'logs', '--follow', '--no-color', '--no-log-prefix', 'receiver'],
    env,
    onFailure: scene.onFailure,
  });
  scene.parts.push(receiver);
  scene.undo(() => receiver.stop());
  receiver.onLine((line) => {
    // Compose writes control characters before some lines.
    const start = line.indexOf('{');
    if (start >= 0) scene.onNotification(JSON.parse(line.slice(start)));
  });
  return {
    clientPort,
    metricsUrl: `http://127.0.0.1:${telemetryPort}/metrics`,
    parts: [
      ['Prosody', `in a container, for clients on 127.0.0.1:${clientPort}`],
      ['Sidecar', 'in a container, component push.localhost, online'],
      ['Receiver', 'in a container'],
    ],
  };
}

function lastLines(text) {
  return text.trim().split('\n').slice(-15).join('\n');
}
