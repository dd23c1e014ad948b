import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainListen } from '../../src/config/listen.ts';
import { loadSection } from '../../src/config/load.ts';
import { folderWith, good } from './load-text.ts';
import { allow } from '../support/limits.ts';

allow('manyCases');

const telemetry = (lines: string): string => `${good}telemetry:\n${lines}\nlog: { level: info }\n`;

describe('where a sidecar listens', () => {
  it.each([
    [good, '127.0.0.1', 9464],
    [telemetry('  listen: 0.0.0.0:9000'), '0.0.0.0', 9000],
    [telemetry('    listen: "[::1]:80" # here'), '::1', 80],
    [telemetry("  hosts: [a]\n\n  # at\n  listen: 'localhost:1'"), 'localhost', 1],
    [telemetry('  hosts: [a]'), '127.0.0.1', 9464],
    [telemetry('  listen: 0.0.0.0:9000').replaceAll('\n', '\r\n'), '0.0.0.0', 9000],
  ])('is seen without a YAML parser in %j', (text, host, port) => {
    expect(plainListen(text)).toEqual({ host, port });
  });

  it.each([
    '',
    '# nothing',
    `${good}telemetry: { listen: 1.2.3.4:5 }\n`,
    `{ telemetry: { listen: 1.2.3.4:5 } }`,
    `${good}"telemetry":\n  listen: 1.2.3.4:5\n`,
    `${good}"tele\\u006detry":\n  listen: 1.2.3.4:5\n`,
    telemetry('  "l\\u0069sten": 1.2.3.4:5'),
    telemetry('  listen: ${ADDRESS}'),
    telemetry('  listen: 1.2.3.4:5\n    more'),
    telemetry('  listen: 1.2.3.4:5\n  listen: 1.2.3.4:6'),
    telemetry('  listen: &a 1.2.3.4:5'),
    telemetry('  listen: 1.2.3.4:5#6'),
    telemetry('  listen: 9464'),
    telemetry('  hosts: [listen]'),
    telemetry(''),
    `${good}telemetry:\n  listen: 1.2.3.4:5\ntelemetry:\n  listen: 1.2.3.4:6\n`,
    `${good}---\ntelemetry:\n  listen: 1.2.3.4:5\n`,
  ])('is left to the YAML parser in %j', (text) => {
    expect(plainListen(text)).toBeUndefined();
  });

  it('is never another than the YAML parser finds, however a file is written', async () => {
    const folder = await folderWith({});
    const file = join(folder, 'x.yaml');
    const words = [
      'telemetry:',
      'listen:',
      '1.2.3.4:5',
      '"[::1]:6"',
      "'h:7'",
      '#',
      '\n',
      '\n',
      '\n  ',
      '\n    ',
      ' ',
      '\t',
      '\r',
      '{',
      '}',
      '[',
      ']',
      ',',
      '- ',
      '"',
      "'",
      '|',
      '>',
      '&a',
      '*a',
      '? ',
      '---',
      '<<:',
      'x:',
      'hosts:',
      'log:',
      '\\',
    ];
    const pieces = fc.array(fc.constantFrom(...words), { maxLength: 14 });
    const beginnings = fc.constantFrom(
      good,
      'x:\n  y: 1\n',
      'telemetry:\n  listen: 1.2.3.4:5',
      `${good}telemetry:\n  `,
    );
    await fc.assert(
      fc.asyncProperty(beginnings, pieces, async (beginning, more) => {
        const text = beginning + more.join('');
        const plain = plainListen(text);
        if (plain === undefined) return;
        await writeFile(file, text);
        const loaded = await loadSection('telemetry', file, {});
        if ('problems' in loaded) return;
        expect({ host: loaded.host, port: loaded.port }).toEqual(plain);
      }),
      { numRuns: 5000 },
    );
  });
});
