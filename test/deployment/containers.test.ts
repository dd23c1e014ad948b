import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { folderWith } from '../config/load-text.ts';
import { allow } from '../support/limits.ts';

allow('servers');

// What can be said without an engine; `npm run test:containers` is for the rest.
const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const DOCKER = process.env['DOCKER'] ?? 'docker';

it('the image is labelled with the version of the package', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  expect(/^ARG VERSION=(.*)$/m.exec(read('Dockerfile'))?.[1]).toBe(version);
});

it("the sidecar's configuration in docker-compose.yml is good", async () => {
  const secretFile = '/run/secrets/component_secret';
  const text = read('config/containers/event-pusher.yaml');
  expect(text).toContain(`secret_file: ${secretFile}\n`);
  const folder = await folderWith({
    secret: read('config/containers/component-secret'),
    'event-pusher.yaml': text.replace(secretFile, 'secret'),
  });
  const environment = { COMPONENT_SERVICE: 'xmpp://prosody:5347' };
  const loaded = await loadConfiguration(join(folder, 'event-pusher.yaml'), environment);
  expect('problems' in loaded ? loaded.problems : []).toEqual([]);
});

const hasCompose = spawnSync(DOCKER, ['compose', 'version']).status === 0;

describe.skipIf(!hasCompose)(
  `Compose${hasCompose ? '' : ' (skipped: there is no "docker compose" in PATH)'}`,
  () => {
    it('finds no fault in docker-compose.yml', async () => {
      const parameters = ['compose', '--profile', 'ejabberd', '--profile', 'chat', 'config', '--quiet'];
      const { stdout, stderr } = await promisify(execFile)(DOCKER, parameters, { cwd: root });
      expect(stdout + stderr).toBe('');
    });
  },
);
