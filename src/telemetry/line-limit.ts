import type { Clock } from '../core/clock.ts';

const MOST_PER_SECOND = 10;
const SECOND_MS = 1000;

interface Second {
  readonly startMs: number;
  lines: number;
  suppressed: number;
}

/** Keeps a flood of like lines from filling the disk and from slowing what they tell of. */
export class LineLimit {
  readonly #clock: Clock;
  readonly #seconds = new Map<string, Second>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many lines of this kind were suppressed before this one, if any; undefined: suppress this one too. */
  suppressed(kind: string): { readonly suppressed?: number } | undefined {
    const nowMs = this.#clock.monotonic();
    let second = this.#seconds.get(kind);
    const before = second?.suppressed ?? 0;
    if (second === undefined || nowMs - second.startMs >= SECOND_MS) {
      second = { startMs: nowMs, lines: 1, suppressed: 0 };
      this.#seconds.set(kind, second);
      return before === 0 ? {} : { suppressed: before };
    }
    second.lines += 1;
    if (second.lines <= MOST_PER_SECOND) return {};
    second.suppressed += 1;
    return undefined;
  }
}
