#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { isSupported } from './commands/node.ts';

const { version, engines } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string; engines: { node: string } };

if (!isSupported(process.versions.node, engines.node)) {
  process.stderr.write(`xmpp-event-pusher needs Node ${engines.node}; this is ${process.versions.node}\n`);
  process.exit(1);
}

// Before anything else is loaded, for it is to be quick.
if (process.argv[2] === '--version' || process.argv[2] === '-V') {
  process.stdout.write(`${version}\n`, () => process.exit());
  await new Promise(() => undefined);
}

// As container engines ask every few seconds: the command line's parser would take longer than the rest.
const [command, option, named, ...rest] = process.argv.slice(2);
if (command === 'healthcheck' && rest.length === 0 && (option === undefined || (option === '-c' && named))) {
  const { healthcheck } = await import('./commands/healthcheck.ts');
  const file = named ?? (await import('./commands/command.ts')).defaultFile(process.env);
  process.exit(await healthcheck.run({ file, version, options: {}, operands: [] }));
}

// Taken before there is a callback module, to which it is denied.
const { exit } = process;

if (process.argv[2] === 'run') {
  const { limitYoungGeneration } = await import('./commands/node.ts');
  limitYoungGeneration(process);
}

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
