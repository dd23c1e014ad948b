import { expect, it } from 'vitest';
import { defaultFile } from '../../src/commands/command.ts';

it('the configuration file is that of the system where the working folder has none', () => {
  const system = '/etc/xmpp-event-pusher/event-pusher.yaml';
  expect(defaultFile({}, (path) => path === system)).toBe(system);
  expect(defaultFile({}, () => true)).toBe('config/event-pusher.yaml');
  expect(defaultFile({}, () => false)).toBe('config/event-pusher.yaml');
});
