import { expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { folderWith, good, problemsOf, spoilt } from './load-text.ts';

it('finds no problem in a good file', async () => {
  expect(await problemsOf(good)).toEqual([]);
});

it('tells every problem of a file at once, in the order of the file, each with line and column', async () => {
  const problems = await problemsOf(`# A file with everything wrong.
component:
  service: 127.0.0.1:5347
  domain: Push.Example.COM
  secret: pässword
  secret_file: ./nosuch
  trused_domains: [example.com]
  taps: [forwarded, forwarded, push]
  max_stanza_size: 1.5
outgoing_pools:
  - type: http
    tag: http_pool
    workers: \${WORKERS}
    server: http://localhost:8000?x
  - tag: http_pool
    server: localhost:8000
    retry: { max_age: soon }
    headers: {}
  - scope: host
    tag: other
mod_event_pusher:
  callback_timout: 5
  backends:
    - http:
        name: chats
        pool_name: htp_pool
        path: http://localhost/
        callback_module: ./nosuch.js
        match: {}
    - http:
        name: chats
        pool_name: http_pool
    - sns: {}
callback_timeout: 5
telemetry: { listen: 9464 }
log: { level: loud }
shutdown_timeout: -1
outbox: { engine: jetstream, options: { pth: x } }
`);
  expect(problems.join('\n')).toMatchInlineSnapshot(`
    "3:12: component.service must begin with xmpp:// or xmpps://: write xmpp://127.0.0.1:5347
    4:11: component.domain must be written as servers prepare it, in lower case: push.example.com
    5:11: component.secret holds characters outside ASCII: XEP-0114 does not say how they become the bytes that are hashed, and implementations differ; choose an ASCII secret, here and in the server
    6:3: component.secret_file is given beside secret: keep one of the two
    6:16: component.secret_file names a file that does not exist: relative paths begin at the folder of this configuration file
    7:3: component.trused_domains is not a known key: did you mean trusted_domains?
    8:21: component.taps[1] repeats an earlier one: remove it
    8:32: component.taps[2] must be forwarded, service_log or direct: push is not supported by this version
    9:20: component.max_stanza_size must be a whole number
    13:14: the environment variable WORKERS is not set: set it, or give a default with \${WORKERS:-default}
    14:13: outgoing_pools[0].server must have no query (?) or fragment (#): a query goes into a backend's path
    15:10: outgoing_pools[1].tag is the tag of outgoing_pools[0] too, with the same scope: change one of them
    16:13: outgoing_pools[1].server must begin with http:// or https://: write http://localhost:8000
    17:23: outgoing_pools[1].retry.max_age must be a whole number
    18:5: outgoing_pools[1].headers is not supported by this version
    19:5: outgoing_pools[2].server is missing: URL of the receiver, http:// or https://; a path in it is kept.
    19:12: outgoing_pools[2].scope is host (one pool for each of component.trusted_domains), but there are none: list them there
    22:3: mod_event_pusher.callback_timout is not a known key: did you mean callback_timeout?
    26:20: mod_event_pusher.backends[0].http.pool_name names no outgoing pool: none has the tag htp_pool; did you mean http_pool?
    27:15: mod_event_pusher.backends[0].http.path must be a path: the server is given by the outgoing pool
    28:26: mod_event_pusher.backends[0].http.callback_module names a file that does not exist: DIR/nosuch.js
    29:9: mod_event_pusher.backends[0].http.match is not supported by this version
    31:15: mod_event_pusher.backends[1].http.name is the name of mod_event_pusher.backends[0] too: names must differ
    33:7: mod_event_pusher.backends[2].http is missing: A backend that sends HTTP requests.
    33:7: mod_event_pusher.backends[2].sns is not a known key: the keys here are http
    34:1: callback_timeout is in the wrong place: it belongs under mod_event_pusher
    35:22: telemetry.listen must be text: put the value in quotes
    36:15: log.level must be trace, debug, info, warn, error, fatal or silent
    37:19: shutdown_timeout must be at least 0
    38:19: outbox.engine must be lmdb or memory: jetstream is not supported by this version
    38:41: outbox.options.pth is not a known key: did you mean path?"
  `);
});

it('gives each problem the file as the user named it', async () => {
  const folder = await folderWith({ 'event-pusher.yaml': '' });
  const file = `${folder}/./event-pusher.yaml`;
  const loaded = await loadConfiguration(file, {});
  expect(loaded).toMatchObject({ problems: [{ file, line: 1, column: 1 }] });
});

it.each([
  ['127.0.0.1:5347', 'must begin with xmpp:// or xmpps://: write xmpp://127.0.0.1:5347'],
  ['localhost:5347', 'must begin with xmpp:// or xmpps://: write xmpp://localhost:5347'],
  ['"[::1]:5347"', 'must begin with xmpp:// or xmpps://: write xmpp://[::1]:5347'],
  [
    'localhost',
    'must begin with xmpp:// or xmpps://: write it like xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
  [
    'http://localhost:5347',
    'must begin with xmpp:// or xmpps://: write it like xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
  [
    'xmpp://::1:5347',
    'is not a valid URL: write it like xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
  [
    'xmpp://localhost:99999',
    'is not a valid URL: write it like xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
  [
    'xmpp://',
    'must name a host, and a port above 0: xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
  [
    'xmpp://localhost:0',
    'must name a host, and a port above 0: xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
  [
    'xmpp://push:word@localhost:5347',
    'must not hold a user name or password: the secret has a key of its own',
  ],
  [
    'xmpp://localhost:5347/path',
    'must end after the port: xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
  [
    'xmpp://localhost:5347?a=b',
    'must end after the port: xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)',
  ],
])('refuses the service %s', async (service, message) => {
  expect(await problemsOf(spoilt('xmpp://127.0.0.1:5347', service))).toEqual([
    `2:12: component.service ${message}`,
  ]);
});

it.each(['xmpp://localhost', 'xmpps://xmpp.example.com:5348', 'xmpp://[::1]:5347', 'xmpp://localhost:5347/'])(
  'takes the service %s',
  async (service) => {
    expect(await problemsOf(spoilt('xmpp://127.0.0.1:5347', service))).toEqual([]);
  },
);

it.each([
  ['Push.example.com', 'must be written as servers prepare it, in lower case: push.example.com'],
  ['Straße.example', 'must be written as servers prepare it, in lower case: strasse.example'],
  ['user@example.com', 'must be a domain, without user, resource or port: example.com'],
  ['example.com/x', 'must be a domain, without user, resource or port: example.com'],
  ['""', 'must be a domain, without user, resource or port: example.com'],
  ['push.example.com:5347', 'must be a domain, without user, resource or port: example.com'],
  ['.example.com', 'must be a domain, without user, resource or port: example.com'],
  ['push..example.com', 'must be a domain, without user, resource or port: example.com'],
  ['push.example.com.', 'must be a domain, without user, resource or port: example.com'],
  ['"*.example.com"', 'must be one domain: there are no wildcards here, so name each domain in full'],
  ['"\\ue000.example"', 'must be a domain: it holds characters that no domain can have'],
])('refuses the component domain %s', async (domain, message) => {
  expect(await problemsOf(spoilt('push.example.com', domain))).toEqual([`3:11: component.domain ${message}`]);
});

it.each(['push.bücher.example', '"[::1]"', '192.0.2.1', 'localhost'])(
  'takes the component domain %s, which is prepared',
  async (domain) => {
    expect(await problemsOf(spoilt('push.example.com', domain))).toEqual([]);
  },
);

it.each([
  ['localhost:8000', 'must begin with http:// or https://: write http://localhost:8000'],
  ['localhost:8000/path', 'must begin with http:// or https://: write http://localhost:8000/path'],
  [
    'ftp://localhost',
    'must begin with http:// or https://: write it like http://127.0.0.1:8000 (https:// for TLS)',
  ],
  ['http://localhost/a b', 'is not a valid URL: write it like http://127.0.0.1:8000 (https:// for TLS)'],
  ['http://', 'is not a valid URL: write it like http://127.0.0.1:8000 (https:// for TLS)'],
  [
    'http://user:word@localhost:8000',
    'holds a user name or password: authentication is not supported by this version',
  ],
  ['http://localhost/?a=b', "must have no query (?) or fragment (#): a query goes into a backend's path"],
  ['http://localhost/#a', "must have no query (?) or fragment (#): a query goes into a backend's path"],
])('refuses the server %s', async (server, message) => {
  expect(await problemsOf(spoilt('http://localhost:8000', server))).toEqual([
    `7:13: outgoing_pools[0].server ${message}`,
  ]);
});

it.each(['https://example.com', 'http://[::1]:8000', 'http://localhost:8000/a/path'])(
  'takes the server %s',
  async (server) => {
    expect(await problemsOf(spoilt('http://localhost:8000', server))).toEqual([]);
  },
);

/** A line of the component, in its place at 5:3. */
const component = (line: string): string => spoilt('outgoing_pools:', `  ${line}\noutgoing_pools:`);
/** A line of the pool, at 8:5. */
const pool = (line: string): string => spoilt('mod_event_pusher:', `    ${line}\nmod_event_pusher:`);
/** A line of the backend, at 12:9. */
const backend = (line: string): string => `${good}        ${line}\n`;
/** A line at the top level, at 12:1. */
const top = (line: string): string => `${good}${line}\n`;

it.each([
  [
    'a missing section',
    spoilt(/^component:.*?(?=outgoing)/s.exec(good)![0], ''),
    ['1:1: component is missing: The session with the XMPP server (XEP-0114).'],
  ],
  [
    'a missing key',
    spoilt('  domain: push.example.com\n', ''),
    [
      "1:1: component.domain is missing: The component's domain, in lower case, as in the server's configuration.",
    ],
  ],
  [
    'no secret',
    spoilt('  secret: swordfish\n', ''),
    ['1:1: component.secret is missing: give secret, as ${XMPP_COMPONENT_SECRET}, or secret_file'],
  ],
  [
    'an empty secret',
    spoilt('swordfish', '""'),
    ['4:11: component.secret must not be empty: the server has one for this component'],
  ],
  [
    'a secret that is a number',
    spoilt('swordfish', '12345'),
    ['4:11: component.secret must be text: put the value in quotes'],
  ],
  [
    'a secret beyond ASCII',
    spoilt('swordfish', 'schwertfischß'),
    [
      '4:11: component.secret holds characters outside ASCII: XEP-0114 does not say how they become the bytes that are hashed, and implementations differ; choose an ASCII secret, here and in the server',
    ],
  ],
  [
    'a key without a value',
    spoilt(' push.example.com', ''),
    ['3:10: component.domain has no value: it must be text'],
  ],
  [
    'text for a list',
    component('taps: forwarded'),
    ['5:9: component.taps must be a list: [one, two], or lines that begin with "- "'],
  ],
  ['a list for text', spoilt('push.example.com', '[a]'), ['3:11: component.domain must be text']],
  ['text for a section', top('retry: never'), ['12:8: retry must be a section with keys of its own']],
  [
    'text for options',
    backend('options: none'),
    ['12:18: mod_event_pusher.backends[0].http.options must be a section with keys of its own'],
  ],
  ['a list for the file', '- component', ['1:1: the file must be a section with keys of its own']],
  ['an empty file', '', ['1:1: the file is empty: begin with the sections component and mod_event_pusher']],
  [
    'a file of comments',
    '# later\n',
    ['1:1: the file is empty: begin with the sections component and mod_event_pusher'],
  ],
  ['no taps', component('taps: []'), ['5:9: component.taps must not be empty']],
  [
    'an unknown tap',
    component('taps: [carbons]'),
    ['5:10: component.taps[0] must be forwarded, service_log or direct'],
  ],
  [
    'a tap that comes later',
    component('taps: [push]'),
    [
      '5:10: component.taps[0] must be forwarded, service_log or direct: push is not supported by this version',
    ],
  ],
  [
    'a tap twice',
    component('taps: [direct, direct]'),
    ['5:18: component.taps[1] repeats an earlier one: remove it'],
  ],
  [
    'a trusted domain twice',
    component('trusted_domains: [a.example, a.example]'),
    ['5:32: component.trusted_domains[1] repeats an earlier one: remove it'],
  ],
  [
    'a trusted domain that no server writes so',
    component('trusted_domains: [A.Example]'),
    ['5:21: component.trusted_domains[0] must be written as servers prepare it, in lower case: a.example'],
  ],
  [
    'a trusted domain that is none',
    component('trusted_domains: [user@a.example]'),
    ['5:21: component.trusted_domains[0] must be a domain, without user, resource or port: example.com'],
  ],
  [
    'trusted domains with wildcards, which would trust nobody',
    component("trusted_domains: ['*.example.com', '*', 'chat?.example.com']"),
    [21, 38, 43].map(
      (column, index) =>
        `5:${column}: component.trusted_domains[${index}] must be one domain: there are no wildcards here, so name each domain in full`,
    ),
  ],
  [
    'a timeout below the range',
    component('timeouts: { ping: 99 }'),
    ['5:21: component.timeouts.ping must be at least 100'],
  ],
  ['a number below the range', pool('workers: 0'), ['8:14: outgoing_pools[0].workers must be at least 1']],
  [
    'a number above the range',
    pool('request_timeout: 2147483648'),
    ['8:22: outgoing_pools[0].request_timeout must be at most 2147483647'],
  ],
  ['a fraction', pool('workers: 1.5'), ['8:14: outgoing_pools[0].workers must be a whole number']],
  [
    'a number that is no number',
    pool('workers: .inf'),
    ['8:14: outgoing_pools[0].workers must be a whole number'],
  ],
  ['text for a number', pool('workers: many'), ['8:14: outgoing_pools[0].workers must be a whole number']],
  ['another type of pool', pool('type: redis'), ['8:11: outgoing_pools[0].type must be http']],
  [
    'a scope that is no domain',
    pool('scope: a@b'),
    ['8:12: outgoing_pools[0].scope must be global, host, or a domain: example.com'],
  ],
  [
    'a scope in upper case',
    pool('scope: Example.com'),
    ['8:12: outgoing_pools[0].scope must be written as servers prepare it, in lower case: example.com'],
  ],
  [
    'a pool for each of no domains',
    pool('scope: host'),
    [
      '8:12: outgoing_pools[0].scope is host (one pool for each of component.trusted_domains), but there are none: list them there',
    ],
  ],
  [
    'a tag that cannot stand before @',
    spoilt('- tag: http_pool', '- tag: http@pool'),
    [
      '6:10: outgoing_pools[0].tag must not hold "@" or white space',
      '11:20: mod_event_pusher.backends[0].http.pool_name names no outgoing pool: none has the tag http_pool; did you mean http@pool?',
    ],
  ],
  [
    'an empty tag',
    spoilt('- tag: http_pool', '- tag: ""'),
    ['6:10: outgoing_pools[0].tag must not be empty'],
  ],
  [
    'a query in a path prefix',
    pool('path_prefix: /a?b=c'),
    ["8:18: outgoing_pools[0].path_prefix must have no query (?): a query goes into a backend's path"],
  ],
  [
    'a pool twice',
    spoilt('mod_event', '  - { tag: http_pool, server: http://b, scope: global }\nmod_event'),
    [
      '8:12: outgoing_pools[1].tag is the tag of outgoing_pools[0] too, with the same scope: change one of them',
    ],
  ],
  [
    'an unknown retry order',
    pool('retry: { order: random }'),
    ['8:21: outgoing_pools[0].retry.order must be sender, none or strict'],
  ],
  [
    'statuses to retry that are none',
    top('retry: { statuses: [404, 299, 600, 2xx, 5XX, "503", [500], 404.5] }'),
    [
      '12:26: retry.statuses[1] must be at least 300',
      '12:31: retry.statuses[2] must be at most 599',
      ...[36, 41, 46, 53, 60].map(
        (column, index) =>
          `12:${column}: retry.statuses[${index + 3}] must be a status from 300 to 599, or one of 3xx, 4xx and 5xx (a 2xx is success)`,
      ),
    ],
  ],
  [
    'one status where a list is due',
    pool('retry: { statuses: 5xx }'),
    ['8:24: outgoing_pools[0].retry.statuses must be a list: [one, two], or lines that begin with "- "'],
  ],
  [
    'an unknown when_full',
    pool('when_full: block'),
    ['8:16: outgoing_pools[0].when_full must be drop_newest or drop_oldest'],
  ],
  [
    'a backend without its pool',
    spoilt('pool_name: http_pool', 'pool_name: mail'),
    [
      '11:20: mod_event_pusher.backends[0].http.pool_name names no outgoing pool: none has the tag mail; there are http_pool',
    ],
  ],
  [
    'no pools',
    spoilt(/^outgoing_pools.*?(?=mod)/ms.exec(good)![0], ''),
    [
      '8:20: mod_event_pusher.backends[0].http.pool_name names no outgoing pool: none has the tag http_pool; there are none',
    ],
  ],
  [
    'a URL for a path',
    backend('path: https://localhost/'),
    [
      '12:15: mod_event_pusher.backends[0].http.path must be a path: the server is given by the outgoing pool',
    ],
  ],
  [
    'a fragment in a path',
    backend('path: "/a#b"'),
    [
      '12:15: mod_event_pusher.backends[0].http.path must not hold white space or "#": encode them (%20, %23)',
    ],
  ],
  [
    'a name of two lines',
    backend('name: "a\\nb"'),
    ['12:15: mod_event_pusher.backends[0].http.name must be one line without control characters'],
  ],
  [
    'a name twice',
    `${backend('name: a')}    - http: { name: a, pool_name: http_pool }\n`,
    [
      '13:21: mod_event_pusher.backends[1].http.name is the name of mod_event_pusher.backends[0] too: names must differ',
    ],
  ],
  [
    'a missing section of backends',
    spoilt(/^mod_event_pusher.*/ms.exec(good)![0], ''),
    ['1:1: mod_event_pusher is missing: What is done with events.'],
  ],
  [
    'a backend of another kind',
    `${good}    - sns: {}\n`,
    [
      '12:7: mod_event_pusher.backends[1].http is missing: A backend that sends HTTP requests.',
      '12:7: mod_event_pusher.backends[1].sns is not a known key: the keys here are http',
    ],
  ],
  [
    'an engine that comes later',
    top('outbox: { engine: jetstream }'),
    ['12:19: outbox.engine must be lmdb or memory: jetstream is not supported by this version'],
  ],
  ['an unknown engine', top('outbox: { engine: redis }'), ['12:19: outbox.engine must be lmdb or memory']],
  [
    'a port without an address',
    top('telemetry: { listen: ":9464" }'),
    [
      '12:22: telemetry.listen must be ADDRESS:PORT: 127.0.0.1:9464, 0.0.0.0:9464 for every IPv4 address, [::1]:9464 for IPv6',
    ],
  ],
  [
    'a port out of range',
    top('telemetry: { listen: "127.0.0.1:65536" }'),
    [
      '12:22: telemetry.listen must be ADDRESS:PORT: 127.0.0.1:9464, 0.0.0.0:9464 for every IPv4 address, [::1]:9464 for IPv6',
    ],
  ],
  [
    'a bad IPv6 address',
    top('telemetry: { listen: "[::g]:9464" }'),
    [
      '12:22: telemetry.listen must be ADDRESS:PORT: 127.0.0.1:9464, 0.0.0.0:9464 for every IPv4 address, [::1]:9464 for IPv6',
    ],
  ],
  [
    'an unknown level',
    top('log: { level: verbose }'),
    ['12:15: log.level must be trace, debug, info, warn, error, fatal or silent'],
  ],
  [
    'a misspelt key',
    component('trusted_domain: []'),
    ['5:3: component.trusted_domain is not a known key: did you mean trusted_domains?'],
  ],
  [
    'a key like no other',
    top('colour: blue'),
    [
      '12:1: colour is not a known key: the keys here are component, outgoing_pools, mod_event_pusher, outbox, retry, telemetry, log, shutdown_timeout',
    ],
  ],
  [
    'a key in the wrong section',
    top('callback_timeout: 5'),
    ['12:1: callback_timeout is in the wrong place: it belongs under mod_event_pusher'],
  ],
  [
    'a top-level key in a section',
    component('shutdown_timeout: 5'),
    ['5:3: component.shutdown_timeout is in the wrong place: it belongs at the top, in no section'],
  ],
  [
    'a key that lost its colon',
    component('{x:1}: 2'.replace('{x:1}', '"x:1"')),
    ['5:3: component.… is not a known key: is a space missing after a colon?'],
  ],
  [
    'a key named __proto__',
    top('__proto__: {}'),
    [
      '12:1: __proto__ is not a known key: the keys here are component, outgoing_pools, mod_event_pusher, outbox, retry, telemetry, log, shutdown_timeout',
    ],
  ],
  ...['match', 'payload', 'batch', 'signing_secret_file'].map(
    (key) =>
      [
        `${key} of backends, which comes later`,
        backend(`${key}: {}`),
        [`12:9: mod_event_pusher.backends[0].http.${key} is not supported by this version`],
      ] as const,
  ),
  ...['headers', 'basic_auth', 'bearer_token', 'client_certificate', 'path_join'].map(
    (key) =>
      [
        `${key} of pools, which comes later`,
        pool(`${key}: {}`),
        [`8:5: outgoing_pools[0].${key} is not supported by this version`],
      ] as const,
  ),
] as const)('tells of %s', async (_title, text, problems) => {
  expect(await problemsOf(text)).toEqual(problems);
});

it('tells that there is no file', async () => {
  const folder = await folderWith({});
  const missing = await loadConfiguration(`${folder}/none.yaml`, {});
  const isFolder = await loadConfiguration(folder, {});
  expect(missing).toMatchObject({
    problems: [
      {
        line: 1,
        column: 1,
        message: 'there is no such file: name another one with -c FILE, or in XMPP_EVENT_PUSHER_CONFIG',
      },
    ],
  });
  expect(isFolder).toMatchObject({
    problems: [{ message: 'this is a folder: name the file in it with -c FILE' }],
  });
});
