import { describe, expect, it } from 'vitest';
import { good, spoilt, trusting, warningsOf } from './load-text.ts';

const component = (line: string): string => spoilt('  secret:', `  ${line}\n  secret:`);
const nobodyTrusted = (tap: string): string =>
  `component.trusted_domains has no domain, so the tap ${tap} discards every copy: list the domains of your users`;

describe('taps that take copies', () => {
  it.each([
    ['by default', good, 'forwarded', '1:1'],
    ['forwarded', component('taps: [direct, forwarded]'), 'forwarded', '1:1'],
    ['service_log', component('taps: [service_log, direct]'), 'service_log', '1:1'],
    ['and an empty list', component('trusted_domains: []'), 'forwarded', '4:20'],
  ])('are worth a warning if nobody is trusted to send them: %s', async (_what, text, tap, position) => {
    expect(await warningsOf(text)).toEqual([`${position}: ${nobodyTrusted(tap)}`]);
  });

  it('are worth none if somebody is trusted, or if there are none', async () => {
    expect(await warningsOf(trusting)).toEqual([]);
    expect(await warningsOf(component('taps: [direct]'))).toEqual([]);
  });

  it('are worth a warning beside errors elsewhere', async () => {
    expect(await warningsOf(good.replace('pool_name: http_pool', 'pool_name: nobody'))).toHaveLength(1);
    expect(await warningsOf(`${good}nonsense: 1\n`)).toHaveLength(1);
    expect(await warningsOf(good.replace('outgoing_pools:', 'outgoing_pool:'))).toHaveLength(1);
    expect(await warningsOf(component('taps: [forwarded, direct, direct]'))).toHaveLength(1);
  });
});

describe("the component's own domain", () => {
  it('is worth a warning among the trusted ones, with the reason', async () => {
    expect(await warningsOf(component('trusted_domains: [example.com, push.example.com]'))).toEqual([
      '4:34: component.trusted_domains[1] is component.domain, which has no users and sends no copies: list the domains of your users only',
    ]);
  });

  it('is worth it at its own position where an earlier domain is repeated, which is an error', async () => {
    const repeated = component('trusted_domains: [example.com, example.com, push.example.com]');
    expect(await warningsOf(repeated)).toEqual([
      expect.stringMatching(/^4:47: component.trusted_domains\[2\] is/),
    ]);
  });
});
