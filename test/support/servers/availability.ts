import { describe, test } from 'vitest';
import { findServers, type FoundServer, type ServerName } from '../../servers/install.mjs';

/** What this machine has, or why it has not: looked up once. */
const servers = await findServers();

/** Where a server is; an error that says what to do if it is not there. */
export function locate(name: ServerName): FoundServer {
  const server = servers[name];
  if ('missing' in server) throw new Error(server.missing);
  return server;
}

/**
 * A suite that needs a server: skipped with the reason where it cannot be had, which under CI=true is a failure.
 */
export function describeWithServer(name: ServerName, title: string, suite: () => void): void {
  const server = servers[name];
  if (!('missing' in server)) {
    describe(`${title} (${name} ${server.version})`, suite);
  } else if (process.env['CI'] === 'true') {
    test(`${title}: ${name} is there`, () => {
      throw new Error(server.missing);
    });
  } else {
    describe.skip(`${title} (skipped: ${server.missing})`, suite);
  }
}
