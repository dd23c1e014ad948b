import type { Tap, TapOptions } from '../../core/tap.ts';
import { direct } from './direct.ts';
import { forwarded } from './forwarded.ts';
import { serviceLog } from './service-log.ts';

/** The table of taps, the only source of their names: a new tap is one file and one line here. */
export const taps = {
  forwarded,
  service_log: serviceLog,
  direct,
} satisfies Record<string, (options: TapOptions) => Tap>;

export type TapName = keyof typeof taps;

export const tapNames = Object.keys(taps) as [TapName, ...TapName[]];
