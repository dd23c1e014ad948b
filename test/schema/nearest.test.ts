import { expect, it } from 'vitest';
import { nearest } from '../../src/schema/nearest.ts';

it.each([
  ['chek', 'check'],
  ['checkk', 'check'],
  ['chack', 'check'],
  ['CHECK', 'check'],
  ['schemas', 'schema'],
  ['healtcheck', 'healthcheck'],
  ['heathchek', 'healthcheck'],
  ['rn', 'run'],
  ['explain', undefined],
  ['x', undefined],
  ['', undefined],
])('%j most likely means %j', (word, expected) => {
  expect(nearest(word, ['run', 'check', 'schema', 'healthcheck'])).toBe(expected);
});
