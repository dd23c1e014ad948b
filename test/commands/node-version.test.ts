import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isSupported } from '../../src/commands/node.ts';

const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  engines: { node: string };
};

it.each([
  ['18.20.0', false],
  ['20.18.1', false],
  ['20.19.0', true],
  ['20.20.2', true],
  ['21.7.0', false],
  ['22.11.0', false],
  ['22.12.0', true],
  ['23.0.0', false],
  ['24.0.0', true],
  ['26.10.0', true],
])('Node %s: %s', (version, expected) => {
  expect(isSupported(version, engines.node)).toBe(expected);
});

it('runs on this Node', () => {
  expect(isSupported(process.versions.node, engines.node)).toBe(true);
});
