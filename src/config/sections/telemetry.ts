import { z } from 'zod';
import { section } from '../../schema/section.ts';
import { meaning, text } from '../../schema/values.ts';
import { DEFAULT_LISTEN, parseListen } from '../listen.ts';

/** Metrics and health over HTTP. */
export const telemetry = section({
  listen: z
    .string()
    .transform(meaning(listenAddress))
    .prefault(DEFAULT_LISTEN)
    .describe('ADDRESS:PORT for /metrics, /healthz and /readyz; port 0: any free port, which is logged.'),
  hosts: z
    .array(text(hostForm))
    .default([])
    .describe(
      'Names that a Host header may have besides the address, for example the name of the container.',
    ),
})
  .transform(({ listen, ...rest }) => ({ ...listen, ...rest }))
  .prefault({})
  .describe('Metrics and health over HTTP.');

function listenAddress(given: string) {
  const value = parseListen(given);
  if (value !== undefined) return { value };
  const message =
    'must be ADDRESS:PORT: 127.0.0.1:9464, 0.0.0.0:9464 for every IPv4 address, [::1]:9464 for IPv6';
  return { code: 'invalid-value', message } as const;
}

/** A name as in a Host header, without its port. */
function hostForm(text: string): string | undefined {
  return /^[\w.-]+$/.test(text) ? undefined : 'must be a name without a port: metrics.example.com';
}
