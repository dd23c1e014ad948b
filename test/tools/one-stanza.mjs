// Shows the way of one stanza: what the built sidecar logs at level trace, what it counts, and the request that it sends.
//   node test/tools/one-stanza.mjs FILE                  the file holds the stanza as a server sends it to push.example.com
//   node test/tools/one-stanza.mjs --inspect-brk FILE    the sidecar waits for a debugger first (chrome://inspect)
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startComponentServer } from '../bench/component-server.mjs';

const { values, positionals } = parseArgs({
  options: { 'inspect-brk': { type: 'boolean', default: false } },
  allowPositionals: true,
});
const stanza = await readFile(positionals[0] ?? new URL('one-stanza.xml', import.meta.url), 'utf8');
const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** With the limit that `run` would set by starting Node once more, which would leave the debugger behind. */
const nodeOptions = values['inspect-brk'] ? ['--inspect-brk', '--max-semi-space-size=16'] : [];

const server = await startComponentServer();
const receiver = http.createServer();
receiver.on('request', (request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (text) => (body += text));
  request.on('end', () => {
    console.log(`\n${request.method} ${request.url}\n${headersOf(request)}\n\n${body}\n`);
    response.end(() => receiver.emit('served'));
  });
});
receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
const folder = await mkdtemp(join(tmpdir(), 'one-stanza-'));
const file = join(folder, 'event-pusher.yaml');
await writeFile(file, JSON.stringify(configuration()));
const sidecar = spawn(process.execPath, [...nodeOptions, main, 'run', '-c', file], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = once(sidecar, 'exit');

try {
  const port = await untilOnline();
  const component = await server.component;
  const served = once(receiver, 'served');
  await component.send(stanza);
  await component.ping();
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const counted = /^event_pusher_(?:events|discarded|declined|callback_errors)_total\{.*\} [1-9]\d*$/gm;
  const counts = (metrics.match(counted) ?? [])
    .join('\n')
    .replace(/(reason="iq"\} 1)$/m, '$1   (the ping of this tool)');
  console.log(`\n${counts}`);
  if (/_events_total/.test(counts) && !/_(?:declined|callback_errors)_total/.test(counts)) await served;
  else console.log('\nNo notification was made of it.\n');
} finally {
  sidecar.kill();
  await ended;
  receiver.close();
  receiver.closeAllConnections();
  server.stop();
  await rm(folder, { recursive: true });
}

function configuration() {
  return {
    component: {
      service: server.service,
      domain: 'push.example.com',
      secret: 'secret',
      trusted_domains: ['example.com'],
    },
    outgoing_pools: [{ tag: 'http_pool', server: `http://127.0.0.1:${receiver.address().port}` }],
    mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool', path: '/notifications' } }] },
    outbox: { options: { path: './data' } },
    telemetry: { listen: '127.0.0.1:0' },
    log: { level: 'trace' },
  };
}

/** Prints each log line; resolves to the port of the metrics once the component is online. */
function untilOnline() {
  return new Promise((resolve, reject) => {
    let port;
    createInterface(sidecar.stdout).on('line', (line) => {
      const {
        level,
        event,
        msg,
        time: _time,
        service: _service,
        version: _version,
        ...fields
      } = JSON.parse(line);
      console.log(`${level.padEnd(5)} ${event}: ${msg} ${JSON.stringify(fields)}`);
      if (event === 'telemetry-listening') port = fields.port;
      if (event === 'component-online') resolve(port);
    });
    sidecar.once('exit', (code) => reject(new Error(`the sidecar ended with exit code ${code}`)));
  });
}

function headersOf({ rawHeaders }) {
  return rawHeaders
    .map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\n`))
    .join('')
    .trimEnd();
}
