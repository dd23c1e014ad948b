import { existsSync } from 'node:fs';

const VARIABLE = 'XMPP_EVENT_PUSHER_CONFIG';
/** Where the file is looked for, the first place first; the first relative to the working folder, the last as packages of systems have it. */
const PLACES = ['config/event-pusher.yaml', '/etc/xmpp-event-pusher/event-pusher.yaml'] as const;

/** The default in words, for `--help`. */
export const DEFAULT_FILE = [`$${VARIABLE}`, ...PLACES].join(', else ');

/** The configuration file where `-c` names none; where there is none at all, the first place, for the error to name. */
export function defaultFile(
  environment: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean = existsSync,
): string {
  const named = environment[VARIABLE];
  if (named !== undefined && named !== '') return named;
  return PLACES.find((place) => exists(place)) ?? PLACES[0];
}
