import { type Database, openDatabase } from './database.js';
import { Writing } from './writing.ts';

/** The two ways into a database: reading here, writing in a thread of its own. */
export class Connection {
  #database: Database | undefined;
  #writing: Writing | undefined;

  get database(): Database {
    if (this.#database === undefined) throw new Error('the outbox was not started');
    return this.#database;
  }

  get writing(): Writing {
    if (this.#writing === undefined) throw new Error('the outbox was not started');
    return this.#writing;
  }

  async open(folder: string): Promise<void> {
    this.#writing = await Writing.open(folder);
    this.#database = openDatabase(folder);
  }

  async close(): Promise<void> {
    await this.#writing?.close();
    await this.#database?.root.close();
  }
}
