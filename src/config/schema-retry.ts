import { z } from 'zod';
import type { RetryPolicy } from '../core/retry-policy.ts';
import { milliseconds, wholeNumber } from '../schema/values.ts';

/** Four days; a receiver's Retry-After may reach six times as far, and that is still a time that Node can wait. */
const LONGEST_DELAY_MS = 345_600_000;

const firstDelay = milliseconds(1, LONGEST_DELAY_MS).describe(
  'Milliseconds before the second attempt, doubled from then on; the wait is between half of it and all of it.',
);
const maxDelay = milliseconds(1, LONGEST_DELAY_MS).describe(
  'Longest wait between two attempts, in milliseconds.',
);
const maxAge = wholeNumber(0).describe(
  'Age in milliseconds at which what is not delivered becomes a dead letter; 0: one attempt only.',
);
const order = z
  .enum(['sender', 'none', 'strict'])
  .describe(
    'sender: each sender in order, but a failed one waits aside; strict: the next waits for it; none: any order.',
  );
const statuses = z
  .array(
    z.union([wholeNumber(300, 599), z.enum(['3xx', '4xx', '5xx'])], {
      error: 'must be a status from 300 to 599, or one of 3xx, 4xx and 5xx (a 2xx is success)',
    }),
  )
  .describe(
    'HTTP statuses that are tried again; any other but 2xx is final. 4xx leaves out 410, and 5xx leaves out 501.',
  );

/** The `retry` section. */
export const retrySchema = z.strictObject({
  first_delay: firstDelay.default(1000),
  max_delay: maxDelay.default(600_000),
  max_age: maxAge.default(86_400_000),
  order: order.default('sender'),
  statuses: statuses.default([401, 403, 404, 408, 425, 429, '5xx']),
});

/** The `retry` section of a pool: what it leaves out is taken from the general one. */
export const poolRetrySchema = z.strictObject({
  first_delay: firstDelay.exactOptional(),
  max_delay: maxDelay.exactOptional(),
  max_age: maxAge.exactOptional(),
  order: order.exactOptional(),
  statuses: statuses.exactOptional(),
});

/** A pool's retry policy, under the names that the code uses. */
export function retryPolicy(
  general: z.output<typeof retrySchema>,
  own: z.output<typeof poolRetrySchema>,
): RetryPolicy {
  const merged = { ...general, ...own };
  return {
    firstDelayMs: merged.first_delay,
    maxDelayMs: merged.max_delay,
    maxAgeMs: merged.max_age,
    order: merged.order,
    statuses: merged.statuses,
  };
}
