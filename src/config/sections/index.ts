import type { z } from 'zod';
import { section } from '../../schema/section.ts';
import { milliseconds } from '../../schema/values.ts';
import type { Report } from '../reader/problems.ts';
import { checkComponent, component } from './component.ts';
import { log } from './log.ts';
import { checkModEventPusher, modEventPusher } from './mod-event-pusher.ts';
import { outbox } from './outbox.ts';
import { checkOutgoingPools, outgoingPools, withGeneral } from './outgoing-pools.ts';
import { retry } from './retry.ts';
import { telemetry } from './telemetry.ts';

/**
 * The table of sections, in the order of the file. Relative paths begin at `folder`, that of the file; `content`, as it
 * came, chooses between pieces of schema.
 */
function sections(folder: string, content: unknown) {
  return {
    component: component(folder),
    outgoingPools,
    modEventPusher: modEventPusher(folder),
    outbox: outbox(folder, content),
    retry,
    telemetry,
    log,
    shutdownTimeoutMs: milliseconds(0)
      .default(10_000)
      .describe('Milliseconds that a stop may take to finish requests in flight; 0: end immediately.'),
  };
}

/** What no single section shows: checked in the content as it came, so that every problem is found in one go. */
export function checkSections(content: unknown, report: Report): void {
  checkComponent(content, report);
  checkOutgoingPools(content, report);
  checkModEventPusher(content, report);
}

/** The configuration file, and the shape in which the program uses it. */
export function fileSchema(folder: string, content?: unknown) {
  return section(sections(folder, content))
    .transform(({ modEventPusher: pusher, outgoingPools: pools, retry: general, ...rest }) => ({
      ...rest,
      ...pusher,
      outgoingPools: withGeneral(pools, { retry: general, ...rest }),
    }))
    .describe('Configuration of xmpp-event-pusher.');
}

/** The whole configuration: checked, complete, relative paths resolved. */
export type Configuration = z.output<ReturnType<typeof fileSchema>>;
