import { outcomes } from '../../core/delivery.ts';
import { parseJid, prepareDomain } from '../../core/jid.ts';
import type { DeadChoice } from '../../core/operator.ts';
import { type Option, type OptionValues, UsageError } from '../command.ts';

/** How the last attempt of a dead letter can have ended. */
const failures = outcomes.filter((outcome) => outcome !== '2xx');

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The options that choose among dead letters. */
export const filterOptions = {
  backend: { value: 'NAME', summary: 'only those of this backend' },
  host: { value: 'DOMAIN', summary: 'only those whose sender has this domain' },
  since: {
    value: 'TIME',
    summary: 'only those that died since then: 90m, 24h, 7d, or an ISO 8601 date or time',
  },
  status: {
    value: 'CODE',
    summary: `only those whose last attempt ended so: an HTTP status, ${failures.join(', ')}`,
  },
  receiver: { value: 'JID', summary: 'only those to this bare JID, or to this local part' },
} as const satisfies Readonly<Record<string, Option>>;

type FilterName = keyof typeof filterOptions;

/** Whether any filter was given. */
export function hasFilters(options: OptionValues): boolean {
  return Object.keys(filterOptions).some((name) => options[name] !== undefined);
}

/**
 * What all filters that were given choose together.
 * @throws UsageError if one makes no sense.
 */
export function choiceOf(options: OptionValues, nowMs: number): DeadChoice {
  let choice: DeadChoice = {};
  for (const name of Object.keys(filterOptions) as FilterName[]) {
    const value = options[name];
    if (typeof value === 'string') choice = { ...choice, ...makers[name](value, nowMs) };
  }
  return choice;
}

const makers: Readonly<Record<FilterName, (value: string, nowMs: number) => DeadChoice>> = {
  backend: (backend) => ({ backend }),
  host: (domain) => ({ host: prepareDomain(domain, ignore) }),
  since: (text, nowMs) => ({ sinceMs: timeOf(text, nowMs) }),
  status: (text) => {
    if (/^[1-5]\d\d$/.test(text)) return { last: Number(text) };
    const last = failures.find((known) => known === text.toLowerCase());
    if (last !== undefined) return { last };
    throw new UsageError(`--status ${text} is neither an HTTP status nor one of ${failures.join(', ')}`);
  },
  receiver: (text) => {
    const jid = bareJid(text);
    if (text.includes('@')) return { receiver: { jid } };
    return { receiver: { jid, local: parseJid(`${text}@localhost`, ignore).local } };
  },
};

/** A JID as notifications have it: prepared, without its resource. */
export function bareJid(text: string): string {
  return parseJid(text, ignore).bare().toString();
}

/** Unix time in milliseconds. */
function timeOf(text: string, nowMs: number): number {
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return nowMs - Number(count) * (UNIT_MS[unit] ?? 0);
  const time = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d\S*)?$/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new UsageError(
    `--since ${text} is neither a duration (90m, 24h, 7d) nor a time (2026-11-24, 2026-11-24T08:30:00Z)`,
  );
}

function ignore(): void {
  // What cannot be prepared is compared in the form in which it was stored.
}
