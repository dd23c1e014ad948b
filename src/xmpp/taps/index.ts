import type { TapName } from '../../core/observation.ts';
import type { Tap, TapOptions } from '../../core/tap.ts';
import { direct } from './direct.ts';
import { forwarded } from './forwarded.ts';
import { serviceLog } from './service-log.ts';

export type ConfiguredTapName = Exclude<TapName, 'none'>;

/** The table of taps: a new one is one file and one line here. */
export const taps: Record<ConfiguredTapName, (options: TapOptions) => Tap> = {
  forwarded,
  service_log: serviceLog,
  direct,
};
