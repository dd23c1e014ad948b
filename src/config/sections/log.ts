import { z } from 'zod';
import { logLevels } from '../../core/observation.ts';
import { section } from '../../schema/section.ts';

/** JSON lines on stdout. */
export const log = section({
  level: z
    .enum(logLevels)
    .default('info')
    .describe(`The lowest level that is logged: ${logLevels.join(', ')}.`),
})
  .prefault({})
  .describe('JSON lines on stdout.');
