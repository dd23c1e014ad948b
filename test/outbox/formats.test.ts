import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomes } from '../../src/core/delivery.ts';
import { packLastAttempt, unpackLastAttempt } from '../../src/outbox/last-attempt.ts';
import { decodeSummary, encodeSummary } from '../../src/outbox/lmdb/encoding.ts';
import { whatTheNextFinds } from '../support/dead-letters.ts';
import { readFolder, temporaryFolder } from '../support/outbox-folder.ts';
import { allow } from '../support/limits.ts';

allow('processes');

/**
 * A folder as version 0.1.0 left it, before summaries said anything of the last attempt: two notifications that wait (one
 * with a body of bytes), one that waits for its second attempt, two dead letters, and one that is to be redelivered.
 */
function earlierFolder(): string {
  const folder = temporaryFolder();
  const data = readFileSync(new URL('../data/outbox/format-1.mdb.gz', import.meta.url));
  writeFileSync(join(folder, 'data.mdb'), gunzipSync(data));
  return folder;
}

describe('a folder of format 1 that an earlier version wrote', () => {
  it('is read whole: what waits, dead letters, and what is to be redelivered', async () => {
    const folder = earlierFolder();
    expect(await whatTheNextFinds(folder)).toEqual({
      mismatches: [],
      waiting: ['waits-aside', 'waits', 'bytes'],
      redelivered: ['to-be-redelivered'],
      dropped: 0,
    });
    const { stored, letters, ledger } = await readFolder(folder);
    expect(stored).toEqual(['waits-aside', 'waits', 'bytes']);
    expect(letters.map(({ notification: { id }, reason, attempts }) => ({ id, reason, attempts }))).toEqual([
      { id: 'dead', reason: 'rejected', attempts: 1 },
      { id: 'callback-failed', reason: 'callback', attempts: 0 },
    ]);
    expect(letters[1]?.stanza?.xml).toBe('<message><body>hi</body></message>');
    expect(ledger).toEqual({ accepted: 6, delivered: 0, dead: 3, dropped: 0 });
  });

  it('says nothing of the last attempt of what waits', () => {
    const summary = '["http_pool","chats","alice@example.com",1795824000000,1,1795911700000]';
    expect(decodeSummary(summary)[6]).toBeUndefined();
  });
});

describe('what is stored of the last attempt', () => {
  const record = { key: 1, backend: 'chats', sender: 'alice@example.com', acceptedAtSeconds: 7, attempts: 1 };

  it('is the seventh part of a summary, which earlier versions do not look at', () => {
    const last = packLastAttempt({ attempt: { outcome: '5xx', status: 503 }, cause: 'retry-after' });
    const text = encodeSummary('http_pool', { ...record, last }, 9);
    expect(text).toBe('["http_pool","chats","alice@example.com",7000,1,9,32200]');
    expect(decodeSummary(text)[6]).toBe(last);
  });

  it('takes no room before there was an attempt', () => {
    const text = '["http_pool","chats","alice@example.com",7000,1,9]';
    expect(encodeSummary('http_pool', record, 9)).toBe(text);
    expect(encodeSummary('http_pool', { ...record, last: 0 }, 9)).toBe(text);
  });

  it('comes back as it was, whatever the outcome, the status and the cause were', () => {
    const anyAttempt = fc.record(
      { outcome: fc.constantFrom(...outcomes), status: fc.integer({ min: 100, max: 999 }) },
      { requiredKeys: ['outcome'] },
    );
    const anyCause = fc.constantFrom('back-off' as const, 'retry-after' as const);
    fc.assert(
      fc.property(anyAttempt, anyCause, (attempt, cause) => {
        const packed = packLastAttempt({ attempt, cause });
        expect(unpackLastAttempt(packed)).toEqual({ attempt, cause });
        expect(packed).toBeGreaterThan(0);
        expect(packed).toBeLessThan(2 ** 30);
      }),
    );
  });

  it('is nothing where nothing is known, or what a newer version stored is not known to this one', () => {
    expect(unpackLastAttempt(0)).toBeUndefined();
    expect(unpackLastAttempt(1 + 2 * 31)).toBeUndefined();
  });

  it('has the same number in every version', () => {
    expect(outcomes.map((outcome) => packLastAttempt({ attempt: { outcome }, cause: 'back-off' }))).toEqual([
      1, 3, 5, 7, 9, 11, 13, 15, 17, 19,
    ]);
    expect(packLastAttempt({ attempt: { outcome: 'other' }, cause: 'retry-after' })).toBe(20);
  });
});
