import { z } from 'zod';
import { whenFullWords } from '../../core/outbox-store.ts';
import { defaultEngine, type EngineName, engines } from '../../outbox/engines/index.ts';
import { field } from '../../schema/raw.ts';
import { section } from '../../schema/section.ts';
import { wholeNumber, wordOf } from '../../schema/values.ts';

/** What a full outbox drops. */
export const whenFull = z.enum(whenFullWords);

const all = Object.values(engines);
const summaries = all.map(({ name, summary }) => `${name} (${summary})`);
const keepingLetters = all.filter(({ keepsDeadLetters }) => keepsDeadLetters).map(({ name }) => name);

/**
 * Where notifications wait; its options are those of the engine that the content names. The engine's schema makes an
 * engine of them: in the program the two keys are one, `engine`.
 */
export function outbox(folder: string, content: unknown) {
  return section({
    engine: wordOf(engines)
      .default(defaultEngine)
      .describe(`What keeps notifications until they are delivered: ${summaries.join(' or ')}.`),
    options: engines[engineIn(content)].schema(folder).prefault({}).describe('Options of the engine.'),
    capacity: wholeNumber(1)
      .default(1_000_000)
      .describe('Maximum number of waiting notifications for each pool.'),
    whenFull: whenFull
      .default('drop_newest')
      .describe(
        'Which notifications a full outbox drops (they are counted and logged): drop_newest or drop_oldest.',
      ),
    deadLetters: wholeNumber(0)
      .default(100_000)
      .describe(
        `Maximum number of dead letters (${keepingLetters.join(', ')}); beyond that the oldest are removed.`,
      ),
  })
    .transform(({ options, deadLetters, ...rest }) => ({
      ...rest,
      engine: options,
      deadLetterCapacity: deadLetters,
    }))
    .prefault({})
    .describe('Where notifications wait until they are delivered.');
}

/** The engine that the content names as it came; the default if it names none. */
function engineIn(content: unknown): EngineName {
  const named = field(field(content, 'outbox'), 'engine');
  return engineNames.find((name) => name === named) ?? defaultEngine;
}

export const engineNames = Object.keys(engines) as EngineName[];
