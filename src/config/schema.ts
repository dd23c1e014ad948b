import { z } from 'zod';
import { defaultEngine, type EngineName, engines } from '../outbox/engines/index.ts';
import { nameForm, preparedDomainForm } from '../schema/forms.ts';
import { section } from '../schema/section.ts';
import type { ComponentConfiguration } from './configuration.ts';
import {
  hostForm,
  listenForm,
  pathForm,
  pathPrefixForm,
  scopeForm,
  secretForm,
  serverForm,
  serviceForm,
  tagForm,
} from './forms.ts';
import { type Address, DEFAULT_LISTEN, parseListen } from './listen.ts';
import { poolRetrySchema, retrySchema } from './schema-retry.ts';
import { anySection, milliseconds, text, wholeNumber } from '../schema/values.ts';

const whenFull = z.enum(['drop_newest', 'drop_oldest']);

const component = z
  .strictObject({
    service: text(serviceForm).describe(
      "The server's listener for components: xmpp://HOST:PORT, xmpps:// for TLS, an IPv6 address in brackets.",
    ),
    domain: text(preparedDomainForm).describe(
      'The domain that this component serves, in lower case, as the server knows it.',
    ),
    secret: text(secretForm, 'invalid-secret')
      .exactOptional()
      .describe('What the server and this component both know, in ASCII; either this or secret_file.'),
    secret_file: text(nameForm)
      .exactOptional()
      .describe(
        'A file that holds the secret; one newline at its end is not part of it. It is read at each connection.',
      ),
    trusted_domains: z
      .array(text(preparedDomainForm))
      .meta({ uniqueItems: true })
      .default([])
      .describe(
        'Whose forwarded copies are believed: those with exactly one of these domains as outer from.',
      ),
    taps: z
      .array(z.enum(['forwarded', 'service_log', 'direct']))
      .min(1)
      .meta({ uniqueItems: true })
      .default(['forwarded', 'direct'])
      .describe('The kinds of envelope that are opened, first asked first: forwarded, service_log, direct.'),
    max_stanza_size: wholeNumber(256, 268_435_456)
      .default(1_048_576)
      .describe('Bytes; a larger stanza is skipped and counted.'),
    timeouts: section({
      handshake: milliseconds(100)
        .default(10_000)
        .describe('Milliseconds from connecting until the server must have let the component in.'),
      ping: milliseconds(100)
        .default(10_000)
        .describe(
          'Milliseconds between pings; where two come to nothing, though other bytes come, the sidecar reconnects.',
        ),
      silence: milliseconds(100)
        .default(30_000)
        .describe('Milliseconds without a byte from the server, then the sidecar reconnects.'),
    })
      .prefault({})
      .describe('How long the server may take.'),
  })
  .transform(
    (
      file,
    ): Omit<ComponentConfiguration, 'secret' | 'secretFile'> & {
      readonly secret: string | undefined;
      readonly secretFile: string | undefined;
    } => ({
      service: file.service,
      domain: file.domain,
      secret: file.secret,
      secretFile: file.secret_file,
      trustedDomains: file.trusted_domains,
      taps: file.taps,
      maxStanzaSize: file.max_stanza_size,
      timeouts: file.timeouts,
    }),
  );

const outgoingPool = z
  .strictObject({
    type: z
      .literal('http')
      .default('http')
      .describe('What the pool speaks: http (or https, as its server says).'),
    scope: text(scopeForm)
      .default('global')
      .describe(
        'Whose notifications: global (everybody), host (a pool for each trusted domain), or one domain.',
      ),
    tag: text(tagForm).describe('The name by which backends find the pool.'),
    workers: wholeNumber(1, 10_000)
      .default(10)
      .describe('Most requests in flight, and keep-alive connections.'),
    server: text(serverForm).describe('URL of the receiver, http:// or https://; a path in it is kept.'),
    path_prefix: text(pathPrefixForm)
      .default('/')
      .describe("Goes between the server and the backend's path."),
    request_timeout: milliseconds(1).default(2000).describe('Milliseconds for a whole exchange.'),
    max_connection_age: milliseconds(1)
      .default(60_000)
      .describe('Milliseconds (down to 3/4 of it at random) after which a busy connection is made anew.'),
    retry: poolRetrySchema
      .prefault({})
      .describe('As the general retry section, for this pool only; keys left out are taken from there.'),
    when_full: whenFull.exactOptional().describe("This pool's own outbox.when_full."),
  })
  .transform((file) => ({
    scope: file.scope,
    tag: file.tag,
    workers: file.workers,
    server: file.server,
    pathPrefix: file.path_prefix,
    requestTimeoutMs: file.request_timeout,
    maxConnectionAgeMs: file.max_connection_age,
    retry: file.retry,
    whenFull: file.when_full,
  }));

const httpBackend = z
  .strictObject({
    name: text(nameForm)
      .exactOptional()
      .describe('Unique, for logs and metrics; without it pool_name and path (up to a query), then #2, #3.'),
    pool_name: text(tagForm).describe(
      "Tag of the outgoing pool: that of the sender's host if there is one, else the global one.",
    ),
    path: text(pathForm).default('').describe('Goes after the path_prefix of the pool; a query is kept.'),
    callback_module: text(nameForm)
      .exactOptional()
      .describe('Decides and forms the requests: a path relative to this file, or a package name.'),
    options: anySection().describe('Anything; reaches the callback module as it is.'),
  })
  .transform(({ name, pool_name, path, callback_module, options }) => ({
    name,
    poolName: pool_name,
    path,
    callbackModule: callback_module,
    options,
  }));

const modEventPusher = z.strictObject({
  backends: z
    .array(z.strictObject({ http: httpBackend.describe('A backend that sends HTTP requests.') }))
    .describe('Every event is offered to each of these, in this order.'),
  callback_timeout: milliseconds(1)
    .default(5000)
    .describe('Milliseconds after which a callback that has not settled has failed.'),
  callback_stall_limit: milliseconds(1000)
    .default(10_000)
    .describe(
      'Milliseconds that a callback module may hold the main thread; then the process ends, to be started again.',
    ),
});

function engineSummaries(): string {
  return Object.values(engines)
    .map(({ name, summary }) => `${name} (${summary})`)
    .join(' or ');
}

const outbox = z
  .strictObject({
    engine: z
      .enum(Object.keys(engines) as EngineName[])
      .default(defaultEngine)
      .describe(`What keeps notifications until they are delivered: ${engineSummaries()}.`),
    options: z
      .strictObject({
        path: text(nameForm)
          .default('./data')
          .describe('The folder of lmdb, relative to this file; one sidecar works on it at a time.'),
      })
      .prefault({})
      .describe('Of the engine.'),
    capacity: wholeNumber(1).default(1_000_000).describe('Most notifications waiting, per pool.'),
    when_full: whenFull
      .default('drop_newest')
      .describe('What a full outbox drops, counted and alarmed: drop_newest or drop_oldest.'),
    dead_letters: wholeNumber(0)
      .default(100_000)
      .describe('Most dead letters kept (lmdb); beyond that the oldest are removed.'),
  })
  .transform(({ engine, options, capacity, when_full, dead_letters }) => ({
    engine,
    path: options.path,
    capacity,
    whenFull: when_full,
    deadLetterCapacity: dead_letters,
  }));

const telemetry = z
  .strictObject({
    listen: text(listenForm)
      .default(DEFAULT_LISTEN)
      .describe('ADDRESS:PORT for /metrics, /healthz and /readyz; port 0: any free port, which is logged.'),
    hosts: z
      .array(text(hostForm))
      .default([])
      .describe(
        'Names by which it is asked (Host header) beside its address: the name of the container, say.',
      ),
  })
  .transform(({ listen, hosts }) => ({ ...(parseListen(listen) as Address), hosts }));

const log = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('The least important lines that are logged: trace, debug, info, warn, error, fatal or silent.'),
});

/** The configuration file: its keys, defaults and descriptions (the only place where they are), and their new names. */
export const fileSchema = z
  .strictObject({
    component: component.describe('The session with the XMPP server (XEP-0114).'),
    outgoing_pools: z
      .array(outgoingPool)
      .default([])
      .describe('Connections to the receivers of notifications.'),
    mod_event_pusher: modEventPusher.describe('What becomes of events.'),
    outbox: outbox.prefault({}).describe('Where notifications wait until they are delivered.'),
    retry: retrySchema.prefault({}).describe('When and for how long failed notifications are tried again.'),
    telemetry: telemetry.prefault({}).describe('Metrics and health over HTTP.'),
    log: log.prefault({}).describe('JSON lines on stdout.'),
    shutdown_timeout: milliseconds(0)
      .default(10_000)
      .describe('Milliseconds that a stop may take to send what is waiting; 0: at once.'),
  })
  .describe('Configuration of xmpp-event-pusher.');

/** The file as checked: complete but for what comes from elsewhere (secret, callback modules). */
export type CheckedFile = z.output<typeof fileSchema>;
