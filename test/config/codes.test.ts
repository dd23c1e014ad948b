import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { type ProblemCode, problemCodes } from '../../src/schema/problem-codes.ts';
import { folderWith, good, spoilt } from './load-text.ts';

const backend = (line: string): string => `${good}        ${line}\n`;

/** A file with one problem of each code but those that only loading a module can find. */
const files: readonly (readonly [ProblemCode, string | Buffer])[] = [
  ['unreadable-file', Buffer.from(good, 'utf16le')],
  ['empty-file', '# nothing\n'],
  ['invalid-yaml', `${good}\tx: 1\n`],
  ['invalid-yaml', `${good}a: [*b]\n`],
  [
    'invalid-yaml',
    Array.from(
      { length: 12 },
      (_, n) => `x${n}: &x${n} [${n === 0 ? 'lol' : `*x${n - 1}, `.repeat(12)}]`,
    ).join('\n'),
  ],
  ['invalid-reference', spoilt('swordfish', '"${"')],
  ['missing-variable', spoilt('swordfish', '${SECRET}')],
  ['unknown-key', spoilt('  secret:', '  colour: blue\n  secret:')],
  ['unknown-key', spoilt('  secret:', '  x y: blue\n  secret:')],
  ['misplaced-key', `${good}callback_timeout: 5\n`],
  ['unsupported', backend('match: {}')],
  ['unsupported', `${good}outbox: { engine: jetstream }\n`],
  ['missing-key', spoilt('  secret: swordfish\n', '')],
  ['missing-key', spoilt('    server: http://localhost:8000\n', '')],
  ['wrong-type', spoilt('swordfish', '5')],
  ['wrong-type', `${good}shutdown_timeout:\n`],
  ['invalid-value', spoilt('http://localhost:8000', 'localhost:8000')],
  ['invalid-value', `${good}shutdown_timeout: -1\n`],
  ['invalid-value', `${good}log: { level: loud }\n`],
  ['invalid-value', `${good}telemetry: { hosts: ["sidecar:9464"] }\n`],
  ['invalid-value', spoilt('  secret:', '  taps: []\n  secret:')],
  ['invalid-secret', spoilt('swordfish', '" swordfish"')],
  ['invalid-secret', spoilt('swordfish', '"sword\\tfish"')],
  ['invalid-secret', spoilt('swordfish', '|\n    sword\n    fish')],
  ['invalid-secret', spoilt('secret: swordfish', 'secret_file: two-lines')],
  ['unreadable-secret-file', spoilt('secret: swordfish', 'secret_file: none')],
  ['conflicting-keys', spoilt('  secret:', '  secret_file: secret\n  secret:')],
  ['duplicate', spoilt('  secret:', '  taps: [direct, direct]\n  secret:')],
  [
    'duplicate',
    spoilt('mod_event_pusher:', '  - { tag: http_pool, server: "http://localhost" }\nmod_event_pusher:'),
  ],
  ['no-trusted-domain', spoilt('    server:', '    scope: host\n    server:')],
  ['nobody-trusted', good],
  ['own-domain-trusted', spoilt('  secret:', '  trusted_domains: [push.example.com]\n  secret:')],
  ['short-silence', spoilt('outgoing_pools:', '  timeouts: { silence: 10000 }\noutgoing_pools:')],
  ['unknown-pool', spoilt('pool_name: http_pool', 'pool_name: nobody')],
  ['unusable-callback-module', backend('callback_module: ./none.js')],
];

/** Found only when a module is loaded: see test/backends/module-loading.test.ts. */
const ofLoading: readonly ProblemCode[] = ['misspelt-callback'];

describe('the code of a problem', () => {
  it.each(files)('is %s in %j', async (code, content) => {
    const folder = await folderWith({ 'x.yaml': content, secret: 'swordfish', 'two-lines': 'sword\nfish\n' });
    const loaded = await loadConfiguration(join(folder, 'x.yaml'), {});
    const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
    expect(problems.map((problem) => problem.code)).toContain(code);
  });

  it('is tested, whatever the table holds', () => {
    expect([...new Set([...files.map(([code]) => code), ...ofLoading])].toSorted()).toEqual(
      Object.keys(problemCodes).toSorted(),
    );
  });
});
