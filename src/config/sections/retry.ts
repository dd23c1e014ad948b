import { z } from 'zod';
import { deliveryOrders, statusClasses } from '../../core/retry-policy.ts';
import { section, withoutDefaults } from '../../schema/section.ts';
import { milliseconds, wholeNumber } from '../../schema/values.ts';

/** Four days; a receiver's Retry-After may reach six times as far, and that is still a time that Node can wait. */
const LONGEST_DELAY_MS = 345_600_000;

const keys = {
  firstDelayMs: milliseconds(1, LONGEST_DELAY_MS)
    .default(1000)
    .describe(
      'Milliseconds before the second attempt, then doubled; the real wait is random, from half of this to all of it.',
    ),
  maxDelayMs: milliseconds(1, LONGEST_DELAY_MS)
    .default(600_000)
    .describe('Longest wait between two attempts, in milliseconds.'),
  maxAgeMs: wholeNumber(0)
    .default(86_400_000)
    .describe(
      'Age in milliseconds at which a failed notification becomes a dead letter; 0: only one attempt.',
    ),
  order: z
    .enum(deliveryOrders)
    .default('sender')
    .describe(
      'sender: in order for each sender, failed ones delay no other; strict: they delay the next ones; none: any order.',
    ),
  statuses: z
    .array(
      z.union([wholeNumber(300, 599), z.enum(statusClasses)], {
        error: 'must be a status from 300 to 599, or one of 3xx, 4xx and 5xx (a 2xx is success)',
      }),
    )
    .default([401, 403, 404, 408, 425, 429, '5xx'])
    .describe(
      'HTTP statuses that are retried; all others except 2xx are final. 4xx does not include 410, 5xx not 501.',
    ),
};

/** When, and for how long, a failed notification is retried. */
export const retry = section(keys)
  .prefault({})
  .describe('When, and for how long, failed notifications are retried.');

/** The same section of a pool, which may leave out any key. */
export const ownRetry = section(withoutDefaults(keys));
