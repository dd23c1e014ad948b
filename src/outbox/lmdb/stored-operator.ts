import type { DeadLetter } from '../../core/dead-letter.ts';
import { PlainError } from '../../core/errors.ts';
import {
  type Changed,
  choosesAll,
  choosesDead,
  choosesWaiting,
  type DeadChoice,
  type Erased,
  type NextAttempt,
  type OperatorPort,
  type WaitingChoice,
  type WaitingNotification,
  type Which,
  type WholeWaiting,
} from '../../core/operator.ts';
import { unpackLastAttempt, waitingFacts } from '../last-attempt.ts';
import { decodeLetter, decodeNotification, decodeSummary, isOf } from './encoding.ts';
import {
  type Fate,
  MOST_AT_A_TIME,
  type Row,
  type Step,
  type StepResult,
  type TableName,
} from './operator-steps.js';

/** Does one step where the database is open: in this process beside a sidecar, or in the writer's thread of one. */
export type TakeStep = (step: Step) => Promise<StepResult>;

/** What waits, with the row that it is stored in. */
interface StoredWaiting extends WholeWaiting {
  readonly row: Row;
}

/**
 * An operator's way to what a sidecar has stored. It changes as much at a time as the sidecar can wait for. What was
 * changed stays changed, whatever comes afterwards.
 */
export class StoredOperator implements OperatorPort {
  readonly #take: TakeStep;
  #damaged = 0;

  constructor(take: TakeStep) {
    this.#take = take;
  }

  get damaged(): number {
    return this.#damaged;
  }

  async *waiting(choice: WaitingChoice): AsyncIterable<readonly WaitingNotification[]> {
    for await (const found of this.#waiting(({ facts }) => choosesWaiting(choice, facts))) {
      yield found.map(({ facts }) => facts);
    }
  }

  async *dead(choice: DeadChoice): AsyncIterable<readonly DeadLetter[]> {
    for await (const rows of this.#letters()) {
      yield rows
        .flatMap(({ value }) => this.#read(() => decodeLetter(value)) ?? [])
        .filter((letter) => choosesDead(choice, letter));
    }
  }

  async findWaiting(id: string): Promise<WholeWaiting | undefined> {
    for await (const [found] of this.#waiting(({ facts }) => facts.id === id, inText(id))) {
      if (found !== undefined) return { facts: found.facts, notification: found.notification };
    }
    return undefined;
  }

  async findDead(id: string): Promise<DeadLetter | undefined> {
    const { letter: text } = await this.#take({ do: 'letter', id });
    if (text === undefined) return undefined;
    const letter = this.#read(() => decodeLetter(text));
    if (letter === undefined)
      throw new PlainError(`the dead letter ${id} cannot be read: its text is damaged`);
    return letter;
  }

  async dropWaiting(which: Which<WaitingChoice>): Promise<Changed> {
    const unknown = new Set('ids' in which ? which.ids : []);
    const isMeant = ({ facts }: WholeWaiting): boolean =>
      'ids' in which ? unknown.has(facts.id) : choosesWaiting(which.choice, facts);
    if ('ids' in which) {
      const left = new Set(which.ids);
      for await (const found of this.#waiting(isMeant)) for (const { facts } of found) left.delete(facts.id);
      if (left.size > 0) return { count: 0, unknown: [...left] };
    }
    let count = 0;
    for await (const found of this.#waiting(isMeant)) {
      const rows = found.map(({ row }) => row);
      count += await this.#change({ do: 'remove', table: 'notifications', rows }, count);
      for (const { facts } of found) unknown.delete(facts.id);
    }
    return { count, unknown: [...unknown] };
  }

  dropDead(which: Which<DeadChoice>): Promise<Changed> {
    return this.#settle(which, 'drop');
  }

  redeliver(which: Which<DeadChoice>): Promise<Changed> {
    return this.#settle(which, 'redeliver');
  }

  /** In the order in which a notification moves between the tables, so nothing slips by. */
  async erase(jid: string): Promise<Erased> {
    return {
      redeliveries: await this.#eraseFrom('redeliveries', jid),
      notifications: await this.#eraseFrom('notifications', jid),
      deadLetters: await this.#eraseFrom('letters', jid),
    };
  }

  async #settle(which: Which<DeadChoice>, fate: Fate): Promise<Changed> {
    if ('ids' in which) return this.#settleIds(which.ids, fate);
    return { count: await this.#settleChosen(which.choice, fate), unknown: [] };
  }

  /** With more ids than one step takes, some letters may be gone before their step: their ids are given at the end. */
  async #settleIds(ids: readonly string[], fate: Fate): Promise<Changed> {
    const { ids: unknown = [] } = await this.#take({ do: 'unknown-letters', ids });
    if (unknown.length > 0) return { count: 0, unknown };
    const gone: string[] = [];
    let count = 0;
    for (let from = 0; from < ids.length; from += MOST_AT_A_TIME) {
      const some = ids.slice(from, from + MOST_AT_A_TIME);
      const settled = await this.#take({ do: 'settle', ids: some, fate });
      if (settled.problem !== undefined) throw unchanged(settled.problem, count);
      count += settled.count ?? 0;
      gone.push(...(settled.ids ?? []));
    }
    return { count, unknown: gone };
  }

  /** Those that there are now. Those that cannot be read can only be dropped, and only with all others. */
  async #settleChosen(choice: DeadChoice, fate: Fate): Promise<number> {
    const areAllMeant = fate === 'drop' && choosesAll(choice);
    const isMeant = ({ value }: Row): boolean => {
      if (areAllMeant) return true;
      const letter = this.#read(() => decodeLetter(value));
      return letter !== undefined && choosesDead(choice, letter);
    };
    let count = 0;
    for await (const rows of this.#letters()) {
      count += await this.#change({ do: 'settle-rows', rows: rows.filter(isMeant), fate }, count);
    }
    return count;
  }

  /** @param before How many were changed before, for the error. */
  async #change(step: Extract<Step, { rows: unknown }>, before: number): Promise<number> {
    if (step.rows.length === 0) return 0;
    const { count = 0, problem } = await this.#take(step);
    if (problem !== undefined) throw unchanged(problem, before + count);
    return count;
  }

  async #eraseFrom(table: TableName, jid: string): Promise<number> {
    let count = 0;
    // Most texts are not worth parsing.
    for await (const rows of this.#pages({ table, including: inText(jid) })) {
      const meant = rows.filter(({ value }) => isOf(value, jid));
      count += await this.#change({ do: 'remove', table, rows: meant }, count);
    }
    return count;
  }

  /** Those that there are now: what dies meanwhile is not among them. */
  async *#letters(): AsyncIterable<readonly Row[]> {
    const { last } = await this.#take({ do: 'last-letter' });
    yield* this.#pages({ table: 'letters', last });
  }

  /** What waits, without what cannot be read. */
  async *#waiting(
    isMeant: (waiting: StoredWaiting) => boolean,
    including?: string,
  ): AsyncIterable<StoredWaiting[]> {
    for await (const rows of this.#pages({ table: 'notifications', including })) {
      yield rows.flatMap((row) => this.#read(() => waitingIn(row)) ?? []).filter(isMeant);
    }
  }

  /**
   * A table in pages of bounded size. Between them others may change it. No snapshot is held in between, whatever ends the
   * process: the file would grow for as long as LMDB keeps one.
   */
  async *#pages(which: Omit<Extract<Step, { do: 'page' }>, 'do' | 'after'>): AsyncIterable<readonly Row[]> {
    let after: StepResult['after'];
    do {
      const page = await this.#take({ do: 'page', ...which, after });
      yield page.rows ?? [];
      ({ after } = page);
    } while (after !== undefined);
  }

  #read<T>(decode: () => T): T | undefined {
    try {
      return decode();
    } catch {
      this.#damaged += 1;
      return undefined;
    }
  }
}

/** Undefined if its record is gone. */
function waitingIn(row: Row): StoredWaiting | undefined {
  if (row.summary === undefined) return undefined;
  const notification = decodeNotification(row.value);
  const [pool, , , , attempts, dueAtMs, packed = 0] = decodeSummary(row.summary);
  const last = unpackLastAttempt(packed);
  const next: NextAttempt =
    dueAtMs === 0 ? { setBy: 'first' } : { setBy: last?.cause ?? 'back-off', atMs: dueAtMs };
  return { row, notification, facts: waitingFacts(notification, pool, { attempts, last, next }) };
}

/** The text of a JID or an id in JSON, without the quotes. */
function inText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function unchanged(why: string, count: number): PlainError {
  return new PlainError(`${why}; ${count} were changed before`);
}
