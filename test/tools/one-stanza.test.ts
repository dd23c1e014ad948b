import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const tool = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

it('shows what is logged, counted and sent for one stanza', () => {
  const parameters = [tool('one-stanza.mjs'), tool('one-stanza.xml')];
  const { stdout, stderr, status } = spawnSync(process.execPath, parameters, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toContain('trace notification-accepted');
  expect(stdout).toContain('POST /notifications\n');
  expect(stdout).toContain('\nauthor=alice&server=example.com&receiver=bob&message=Hi%2C+Bob%21\n');
  expect(stdout).toContain('event_pusher_events_total{dir="in"} 1\n');
  expect(status).toBe(0);
});
