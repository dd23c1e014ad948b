import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { good, load, spoilt } from './load-text.ts';

describe('a small file', () => {
  it('is completed with the defaults', async () => {
    expect(await load(good)).toEqual({
      component: {
        service: 'xmpp://127.0.0.1:5347',
        domain: 'push.example.com',
        secret: 'swordfish',
        trustedDomains: [],
        taps: ['forwarded', 'direct'],
        maxStanzaSize: 1_048_576,
        timeouts: { handshake: 10_000, ping: 10_000, silence: 30_000 },
      },
      outgoingPools: [
        {
          type: 'http',
          scope: 'global',
          tag: 'http_pool',
          workers: 10,
          server: 'http://localhost:8000',
          pathPrefix: '/',
          requestTimeoutMs: 2000,
          maxConnectionAgeMs: 60_000,
          retry: {
            firstDelayMs: 1000,
            maxDelayMs: 600_000,
            maxAgeMs: 86_400_000,
            order: 'sender',
            statuses: [401, 403, 404, 408, 425, 429, '5xx'],
          },
          whenFull: 'drop_newest',
        },
      ],
      backends: [
        {
          name: 'http_pool',
          poolName: 'http_pool',
          path: '',
          options: {},
        },
      ],
      callbackTimeoutMs: 5000,
      callbackStallLimitMs: 10_000,
      outbox: {
        engine: { name: 'lmdb', place: { folder: expect.stringMatching(/^\/.*[^.]\/data$/) } },
        capacity: 1_000_000,
        whenFull: 'drop_newest',
        deadLetterCapacity: 100_000,
      },
      telemetry: { host: '127.0.0.1', port: 9464, hosts: [] },
      log: { level: 'info' },
      shutdownTimeoutMs: 10_000,
    });
  });
});

describe('a file with everything', () => {
  it('is taken as it is', async () => {
    const configuration = await load(`
component:
  service: xmpps://[::1]:5348
  domain: push.example.com
  secret: swordfish
  trusted_domains: [example.com, example.net]
  taps: [service_log, direct]
  max_stanza_size: 65536
  timeouts: { handshake: 100, ping: 200 }
outgoing_pools:
  - type: http
    scope: host
    tag: chats
    workers: 50
    server: https://localhost:8000/base
    path_prefix: /webservice
    request_timeout: 500
    max_connection_age: 7000
    retry: { max_age: 0, order: strict, statuses: [500] }
    when_full: drop_newest
  - { tag: chats, scope: example.com, server: "http://b" }
  - { tag: chats, server: "http://c" }
mod_event_pusher:
  callback_timeout: 100
  callback_stall_limit: 60000
  backends:
    - http:
        name: chats
        pool_name: chats
        path: /notifications?a=b
        options: { threshold: 3, words: [a, 1, null], deep: { yes: true } }
outbox: { engine: memory, options: { path: /var/x }, capacity: 5, when_full: drop_oldest, dead_letters: 7 }
retry: { first_delay: 10, max_delay: 20, max_age: 30, order: none, statuses: [3xx, 599] }
telemetry: { listen: "[::1]:0", hosts: [sidecar, metrics.example.com] }
log: { level: silent }
shutdown_timeout: 0
`);
    expect(configuration).toEqual({
      component: {
        service: 'xmpps://[::1]:5348',
        domain: 'push.example.com',
        secret: 'swordfish',
        trustedDomains: ['example.com', 'example.net'],
        taps: ['service_log', 'direct'],
        maxStanzaSize: 65_536,
        timeouts: { handshake: 100, ping: 200, silence: 30_000 },
      },
      outgoingPools: [
        {
          type: 'http',
          scope: 'host',
          tag: 'chats',
          workers: 50,
          server: 'https://localhost:8000/base',
          pathPrefix: '/webservice',
          requestTimeoutMs: 500,
          maxConnectionAgeMs: 7000,
          retry: { firstDelayMs: 10, maxDelayMs: 20, maxAgeMs: 0, order: 'strict', statuses: [500] },
          whenFull: 'drop_newest',
        },
        expect.objectContaining({
          scope: 'example.com',
          retry: { firstDelayMs: 10, maxDelayMs: 20, maxAgeMs: 30, order: 'none', statuses: ['3xx', 599] },
          whenFull: 'drop_oldest',
        }),
        expect.objectContaining({ scope: 'global', tag: 'chats' }),
      ],
      backends: [
        {
          name: 'chats',
          poolName: 'chats',
          path: '/notifications?a=b',
          options: { threshold: 3, words: ['a', 1, null], deep: { yes: true } },
        },
      ],
      callbackTimeoutMs: 100,
      callbackStallLimitMs: 60_000,
      outbox: {
        engine: { name: 'memory', place: {} },
        capacity: 5,
        whenFull: 'drop_oldest',
        deadLetterCapacity: 7,
      },
      telemetry: { host: '::1', port: 0, hosts: ['sidecar', 'metrics.example.com'] },
      log: { level: 'silent' },
      shutdownTimeoutMs: 0,
    });
  });
});

it('hands on options whatever they are called', async () => {
  const text = `${good}        options: { __proto__: { a: 1 }, constructor: 2, deep: [{ __proto__: 3 }] }\n`;
  const options = (await load(text)).backends[0]?.options;
  expect(JSON.stringify(options)).toBe('{"__proto__":{"a":1},"constructor":2,"deep":[{"__proto__":3}]}');
});

it('names backends after pool and path, then #2, #3, and leaves names that were given', async () => {
  const backends = [
    '{ pool_name: http_pool, path: /alerts }',
    '{ pool_name: http_pool, path: /alerts }',
    '{ pool_name: http_pool, path: /alerts, name: "http_pool/alerts#3" }',
    '{ pool_name: http_pool, path: /alerts }',
    '{ pool_name: http_pool, name: given }',
    '{ pool_name: http_pool }',
    '{ pool_name: http_pool, path: "/n?key=swordfish" }',
  ].map((backend) => `    - http: ${backend}\n`);
  const text = spoilt('    - http:\n        pool_name: http_pool\n', backends.join(''));
  expect((await load(text)).backends.map(({ name }) => name)).toEqual([
    'http_pool/alerts',
    'http_pool/alerts#2',
    'http_pool/alerts#3',
    'http_pool/alerts#4',
    'given',
    'http_pool',
    'http_pool/n',
  ]);
});

it.each([
  ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
  ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
  ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ['[::]:80', { host: '::', port: 80 }],
])('listens for %s as it says', async (listen, expected) => {
  expect((await load(`${good}telemetry: { listen: "${listen}" }\n`)).telemetry).toEqual({
    ...expected,
    hosts: [],
  });
});

it('takes lists that are empty on purpose', async () => {
  const text = spoilt(/ {2}backends:.*/s.exec(good)![0], '  backends: []\n');
  expect((await load(text)).backends).toEqual([]);
});

it.each(['event-pusher.yaml', 'event-pusher.full.yaml'])('config/%s is good', async (name) => {
  const file = new URL(`../../config/${name}`, import.meta.url);
  expect(await readFile(file, 'utf8')).toContain('${XMPP_COMPONENT_SECRET}');
  const loaded = await loadConfiguration(file.pathname, { XMPP_COMPONENT_SECRET: 'swordfish' });
  expect(loaded).toHaveProperty('configuration');
});
