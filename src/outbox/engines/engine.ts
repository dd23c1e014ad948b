import type { z } from 'zod';
import { PlainError } from '../../core/errors.ts';
import type { OperatorAccess } from '../../core/operator.ts';
import type { OutboxStore, OutboxPorts, StoreOptions } from '../../core/outbox-store.ts';

/** What an operator opens a store for. To read waits for no writer. */
export type Access = 'read' | 'write';

/** All that an engine defines, in its own file. Large modules are loaded only when it is opened. */
export interface EngineDefinition<Name extends string, Options> {
  /** The word for it in the configuration. */
  readonly name: Name;
  /** Where notifications are kept, in a few words for the schema of the configuration. */
  readonly summary: string;
  /** Its own piece of schema for `outbox.options`; relative paths begin at `folder`, that of the configuration file. */
  readonly schema: (folder: string) => z.ZodType<Options>;
  /** Where it keeps everything, as a log line names it, without credentials; empty: nowhere but in memory. */
  readonly place: (options: Options) => Readonly<Record<string, string>>;
  /** @throws PlainError if it cannot be opened: what is wrong, where, and what to do. */
  readonly open: (options: Options, common: StoreOptions, ports: OutboxPorts) => Promise<OutboxStore>;
  /**
   * Opens the operator port beside a running process, which owns the store. Undefined: nothing is stored yet. A text instead
   * of a function says why there is no such way.
   * @throws PlainError if it cannot be opened.
   */
  readonly openBeside: ((options: Options, access: Access) => Promise<OperatorAccess | undefined>) | string;
}

/** An engine with the options that it is to be opened with. */
export interface ChosenEngine {
  readonly name: string;
  readonly place: Readonly<Record<string, string>>;
  open(common: StoreOptions, ports: OutboxPorts): Promise<OutboxStore>;
  /** @throws PlainError if it cannot be opened, or the engine has no such way. */
  openBeside(access: Access): Promise<OperatorAccess | undefined>;
}

/** An engine in the table. */
export interface Engine<Name extends string = string, Options = unknown> {
  readonly name: Name;
  readonly summary: string;
  /** Whether it can be opened beside a running process, as the commands for dead letters do. */
  readonly keepsDeadLetters: boolean;
  with(options: Options): ChosenEngine;
  /** The schema of its `outbox.options`, which chooses it with them. */
  schema(folder: string): z.ZodType<ChosenEngine>;
}

export function engine<Name extends string, Options>(
  definition: EngineDefinition<Name, Options>,
): Engine<Name, Options> {
  const { name, summary, schema, openBeside } = definition;
  const chosen = (options: Options): ChosenEngine => new Chosen(definition, options);
  return {
    name,
    summary,
    keepsDeadLetters: typeof openBeside !== 'string',
    with: chosen,
    schema: (folder) => schema(folder).transform(chosen),
  };
}

class Chosen<Options> implements ChosenEngine {
  readonly name: string;
  readonly place: Readonly<Record<string, string>>;
  readonly #definition: EngineDefinition<string, Options>;
  readonly #options: Options;

  constructor(definition: EngineDefinition<string, Options>, options: Options) {
    this.name = definition.name;
    this.place = definition.place(options);
    this.#definition = definition;
    this.#options = options;
  }

  open(common: StoreOptions, ports: OutboxPorts): Promise<OutboxStore> {
    return this.#definition.open(this.#options, common, ports);
  }

  async openBeside(access: Access): Promise<OperatorAccess | undefined> {
    const { name, openBeside } = this.#definition;
    if (typeof openBeside === 'string')
      throw new PlainError(`outbox.engine: the engine ${name} ${openBeside}`);
    return openBeside(this.#options, access);
  }
}
