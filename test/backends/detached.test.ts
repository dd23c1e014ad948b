import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { detachedBody, detachedText } from '../../src/backends/detached.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

it('lets the garbage collector have the rest of what a text was cut out of', () => {
  const chunkSize = 64 * 1024;
  const kept: unknown[] = [];
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 1000; index += 1) {
    const chunk = Buffer.alloc(chunkSize, `${index} text `).toString();
    kept.push(detachedText(chunk.slice(100, 200)), detachedBody(chunk.slice(300, 400)));
  }
  collectGarbage();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan((1000 * chunkSize) / 4);
  expect(kept).toHaveLength(2000);
});

it('keeps what a body says, and shares no bytes with the callback', () => {
  expect(detachedBody('Grüße 😀')).toBe('Grüße 😀');
  const bytes = new Uint8Array([1, 2, 3]).subarray(1);
  const copy = detachedBody(bytes);
  bytes.fill(9);
  expect([...(copy as Uint8Array)]).toEqual([2, 3]);
});
