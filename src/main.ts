#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { isSupported } from './commands/node-version.ts';
import { limitYoungGeneration } from './commands/young-generation.ts';

const { version, engines } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string; engines: { node: string } };

if (!isSupported(process.versions.node, engines.node)) {
  process.stderr.write(`xmpp-event-pusher needs Node ${engines.node}; this is ${process.versions.node}\n`);
  process.exit(1);
}

// Taken before there is a callback module, to which it is denied.
const { exit } = process;

if (process.argv[2] === 'run') limitYoungGeneration(process);

// Node would open a debugger, to which anybody on this machine can give commands.
process.on('SIGUSR1', () => undefined);

// Whoever reads our output may leave early, as `head` does, and a disk may be full: delivery goes on without a log.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

// Imported only now, because an older Node could not even read it.
const { runCommandLine } = await import('./commands/command-line.ts');
const exitCode = await runCommandLine(process.argv.slice(2), version).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
});
// Not left to the event loop, which a callback module may keep busy.
process.stdout.write('', () => exit(exitCode));
