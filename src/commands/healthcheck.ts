import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import type { TelemetryConfiguration } from '../config/configuration.ts';
import { type Command, exitCodes } from './command.ts';
import { readConfiguration } from './prepare.ts';

/** Container engines wait longer than this for an answer (Docker: 30 s unless told otherwise). */
const TIMEOUT_MS = 5000;

export const healthcheck: Command = {
  summary: 'succeeds while a running sidecar is ready, for containers',
  takesFile: true,
  async run({ file }) {
    const configuration = await readConfiguration(file);
    const reason =
      configuration === undefined
        ? 'the configuration is not good'
        : await unreadyReason(configuration.telemetry);
    if (reason === undefined) return exitCodes.success;
    process.stderr.write(`not ready: ${reason}\n`);
    return exitCodes.failure;
  },
};

async function unreadyReason({ host, port }: TelemetryConfiguration): Promise<string | undefined> {
  if (port === 0) return 'telemetry.listen has port 0, so nobody can know the real one: give it a fixed port';
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const request = http.get({ host, port, path: '/readyz', signal });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const body = await text(response);
    return response.statusCode === 200 ? undefined : `/readyz answers ${response.statusCode}: ${body.trim()}`;
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    if (name === 'AbortError') return `no answer from ${host} port ${port} within ${TIMEOUT_MS} ms`;
    return `no answer from ${host} port ${port} (${code ?? name}): is the sidecar running?`;
  }
}
