import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PlainError } from '../../core/errors.ts';
import {
  HEADER_BYTES,
  kinds,
  type Meta,
  META_PAGE_BYTES,
  NODE_HEADER_BYTES,
  ON_OVERFLOW,
  OVERFLOW_BYTES,
  readFreePages,
  readHeader,
  readMeta,
  readNode,
  readOverflow,
  readTree,
  TABLE,
  type Tree,
  TREE_BYTES,
  uint64,
} from './page-format.ts';

/** If somebody else writes while the file is read, it is read again, at most so often. */
const MOST_TRIES = 5;
/** LMDB takes no other size of a page. */
const PAGE_SIZES = { least: 256, most: 65_536 } as const;
/** No machine of ours can map more, nor does a transaction take and give back more; in bytes. */
const MOST_MAPPED = 2 ** 46;
const MOST_UNWRITTEN = 2 ** 32;
/** The list of free pages has numbers as keys; beside that LMDB keeps there how its commits are flushed. */
const FREE_FLAGS = 8;
const FLUSH_FLAG = 0x1000;

/**
 * Reads a whole data.mdb, and refuses a file with a damaged structure. LMDB checks no page before it uses it, and a damaged
 * page ends the process with a signal, at once or at a later write. So this reads the file without LMDB. It does not see a
 * changed text in a sound structure, because LMDB keeps no checksums.
 * @throws PlainError, NodeJS.ErrnoException
 */
export async function readThrough(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    for (let tries = 1; ; tries += 1) {
      const meta = newestMeta(file);
      try {
        await readTrees(file, meta);
        return;
      } catch (error) {
        if (tries === MOST_TRIES || newestMeta(file).transaction === meta.transaction) throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Of the first two pages, the one with the later transaction counts. */
function newestMeta(file: number): Meta {
  const first = metaAt(file, 0);
  if (first === undefined) {
    throw new PlainError('data.mdb is no LMDB file; move it away, or set another path');
  }
  const { pageSize } = first;
  const isSize = (pageSize & (pageSize - 1)) === 0;
  if (!isSize || pageSize < PAGE_SIZES.least || pageSize > PAGE_SIZES.most) {
    throw damaged(0, `says that a page has ${pageSize} bytes`);
  }
  const second = metaAt(file, pageSize);
  if (second?.pageSize !== pageSize) throw damaged(1, 'does not say what the file holds');
  return second.transaction > first.transaction ? second : first;
}

/** Undefined if there is none. */
function metaAt(file: number, position: number): Meta | undefined {
  const page = Buffer.alloc(META_PAGE_BYTES);
  return readSync(file, page, { position }) < page.length ? undefined : readMeta(page);
}

async function readTrees(file: number, meta: Meta): Promise<void> {
  const { mapSize, lastPage, pageSize, free, tables } = meta;
  const { size } = fstatSync(file);
  const wholeSize = (lastPage + 1) * pageSize;
  // LMDB need not write pages at the end that were free again before their transaction ended.
  if (wholeSize > size + MOST_UNWRITTEN) throw cutOff(`it has ${size} of ${wholeSize} bytes`);
  if (
    mapSize < wholeSize ||
    mapSize > MOST_MAPPED ||
    (free.flags & ~FLUSH_FLAG) !== FREE_FLAGS ||
    tables.flags !== 0
  ) {
    throw damaged(0, 'or 1 says of the file what cannot be');
  }
  // Signals are seen meanwhile: a large file takes seconds.
  for (const _some of new Trees(file, meta).read()) await nextTurn();
}

/** So high LMDB lets no tree be. */
const MOST_LEVELS = 32;
/** So long no value of ours can be. */
const MOST_VALUE_BYTES = 2 ** 30;

/** What a tree's keys and values must be. */
interface Form {
  /** The list of free pages: its keys are numbers of 8 bytes, and LMDB may leave its pages all but empty. */
  readonly isFreeList: boolean;
  readonly compare: (first: Buffer, second: Buffer) => number;
  /** @throws PlainError */
  readonly look: (value: Buffer, flags: number, page: number) => void;
}

/** How far a tree was read. */
interface Reading extends Form {
  readonly depth: number;
  readonly found: Record<'branchPages' | 'leafPages' | 'overflowPages' | 'entries', number>;
  /** The key that was read last, and the least that the next one may be. */
  last: Buffer | undefined;
  least: Buffer | undefined;
}

/** A page of a tree. */
interface Page {
  readonly number: number;
  readonly bytes: Buffer;
  readonly nodeCount: number;
}

const REMEDY = 'restore it, or move it away and lose what waits in it';

/** The error for one page of a file. */
function damaged(page: number, what: string): PlainError {
  return new PlainError(`data.mdb is damaged: page ${page} ${what}; ${REMEDY}`);
}

/** The error for a file whose end is missing. */
function cutOff(what: string): PlainError {
  return new PlainError(`data.mdb was cut off: ${what}; ${REMEDY}`);
}

/**
 * The trees of a file. Each page must be in its place and of its kind, each node within its page, and the keys in order.
 * The counts must be those that the tree states. No page may be used twice, also not as a free one.
 */
class Trees {
  readonly #file: number;
  readonly #meta: Meta;
  readonly #isUsed: Uint8Array;
  /** A page for each level, because those above are read on later. */
  readonly #pages: Buffer[] = [];
  #value = Buffer.alloc(0);

  constructor(file: number, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
    this.#isUsed = new Uint8Array(meta.lastPage + 1);
    // The meta pages.
    this.#isUsed.fill(1, 0, 2);
  }

  /**
   * Reads them all, one page of branches after the other.
   * @throws PlainError where the file is damaged.
   */
  *read(): Iterable<void> {
    const { free, tables } = this.#meta;
    yield* this.#readTree(free, {
      isFreeList: true,
      compare: (first, second) => uint64(first, 0) - uint64(second, 0),
      look: (value, _flags, page) => this.#useFree(value, page),
    });
    const others: Tree[] = [];
    yield* this.#readTree(tables, {
      isFreeList: false,
      compare: Buffer.compare,
      look: (value, flags, page) => {
        const tree = flags === TABLE && value.length === TREE_BYTES ? readTree(value) : undefined;
        // LMDB would read one with flags in another way.
        if (tree?.flags !== 0) throw damaged(page, 'holds a table of a kind that is not ours');
        others.push(tree);
      },
    });
    const look: Form['look'] = (_value, flags, page) => {
      if (flags !== 0) throw damaged(page, 'holds a value of a kind that is not ours');
    };
    const form = { isFreeList: false, compare: Buffer.compare, look };
    for (const tree of others) yield* this.#readTree(tree, form);
  }

  #useFree(list: Buffer, page: number): void {
    const entries = readFreePages(list);
    if (entries === undefined) throw damaged(page, 'holds no list of free pages');
    for (const { first, count } of entries) this.#use(first, count);
  }

  *#readTree(tree: Tree, form: Form): Iterable<void> {
    const { root = 0, depth } = tree;
    if (depth > MOST_LEVELS || (depth === 0) !== (tree.root === undefined)) {
      throw damaged(root, `is said to begin a tree of ${depth} levels`);
    }
    const found = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
    const reading: Reading = { ...form, depth, found, last: undefined, least: undefined };
    if (tree.root !== undefined) yield* this.#readBranch(root, 1, reading);
    for (const what of Object.keys(found) as (keyof typeof found)[]) {
      if (found[what] !== tree[what]) throw damaged(root, 'begins a table that is not whole');
    }
  }

  *#readBranch(number: number, level: number, reading: Reading): Iterable<void> {
    if (level >= reading.depth) return this.#readLeaf(number, reading);
    const page = this.#page(number, level, kinds.branch);
    if (page.nodeCount < 2 && !reading.isFreeList) throw damaged(number, 'holds too little');
    reading.found.branchPages += 1;
    let used = 0;
    for (let index = 0; index < page.nodeCount; index += 1) {
      const { at, keyBytes, child } = this.#node(page, index);
      used += even(NODE_HEADER_BYTES + keyBytes);
      // Of the first node LMDB uses no key.
      if (index > 0) {
        const key = keyOf(page, at, keyBytes);
        checkOrder(reading, key, page);
        reading.least = key;
      }
      yield* this.#readBranch(child, level + 1, reading);
    }
    this.#checkUse(page, used);
    yield;
  }

  #readLeaf(number: number, reading: Reading): void {
    const page = this.#page(number, reading.depth, kinds.leaf);
    if (page.nodeCount < 1 && !reading.isFreeList) throw damaged(number, 'holds too little');
    reading.found.leafPages += 1;
    reading.found.entries += page.nodeCount;
    let used = 0;
    for (let index = 0; index < page.nodeCount; index += 1) {
      const { at, keyBytes, valueBytes, flags } = this.#node(page, index);
      if (keyBytes === 0 || (reading.isFreeList && keyBytes !== 8)) {
        throw damaged(number, 'holds a key that cannot be');
      }
      const key = keyOf(page, at, keyBytes);
      checkOrder(reading, key, page);
      reading.last = key;
      const isAway = (flags & ON_OVERFLOW) !== 0;
      const bytes = isAway ? OVERFLOW_BYTES : valueBytes;
      const valueAt = at + NODE_HEADER_BYTES + keyBytes;
      if (valueAt + bytes > page.bytes.length) throw damaged(number, 'holds a value that ends behind it');
      used += even(NODE_HEADER_BYTES + keyBytes + bytes);
      const stored = page.bytes.subarray(valueAt, valueAt + bytes);
      const value = isAway ? this.#overflow(stored, valueBytes, reading) : stored;
      reading.look(value, flags & ~ON_OVERFLOW, number);
    }
    this.#checkUse(page, used);
    // The page's bytes are read over.
    if (reading.last !== undefined) reading.last = Buffer.from(reading.last);
  }

  /** The value that is on pages of its own. */
  #overflow(stored: Buffer, valueBytes: number, { found }: Reading): Buffer {
    const { pageSize } = this.#meta;
    const { first, count } = readOverflow(stored);
    if (count !== Math.ceil((HEADER_BYTES + valueBytes) / pageSize) || valueBytes > MOST_VALUE_BYTES) {
      throw damaged(first, `is said to be ${count} pages for ${valueBytes} bytes`);
    }
    this.#use(first, count);
    found.overflowPages += count;
    const bytes = count * pageSize;
    if (this.#value.length < bytes) this.#value = Buffer.alloc(bytes);
    this.#readBytes(this.#value.subarray(0, bytes), first * pageSize);
    const header = this.#header(this.#value, first, kinds.overflow);
    if (header.overflowCount !== count) throw damaged(first, 'is not the value that should be there');
    return this.#value.subarray(HEADER_BYTES, HEADER_BYTES + valueBytes);
  }

  #page(number: number, level: number, expected: number): Page {
    const { pageSize } = this.#meta;
    this.#use(number, 1);
    const bytes = (this.#pages[level] ??= Buffer.alloc(pageSize));
    this.#readBytes(bytes, number * pageSize);
    const { lower, upper } = this.#header(bytes, number, expected);
    if (lower % 2 !== 0 || lower > upper || upper > pageSize - HEADER_BYTES) {
      throw damaged(number, 'holds more than a page can');
    }
    return { number, bytes, nodeCount: lower / 2 };
  }

  #header(bytes: Buffer, number: number, expected: number): ReturnType<typeof readHeader> {
    const header = readHeader(bytes);
    if (header.number !== number || header.kind !== expected) {
      throw damaged(number, 'is not the one that should be there');
    }
    // LMDB would take one of a later transaction for its own, and write to it where it is mapped.
    if (header.transaction > this.#meta.transaction)
      throw damaged(number, 'is said to be written later than all');
    return header;
  }

  #node({ number, bytes }: Page, index: number): ReturnType<typeof readNode> & { at: number } {
    const at = HEADER_BYTES + bytes.readUInt16LE(HEADER_BYTES + 2 * index);
    if (at % 2 !== 0 || at + NODE_HEADER_BYTES > bytes.length)
      throw damaged(number, 'holds an entry that begins behind it');
    const node = readNode(bytes, at);
    if (at + NODE_HEADER_BYTES + node.keyBytes > bytes.length)
      throw damaged(number, 'holds a key that ends behind it');
    return { at, ...node };
  }

  /** Nodes fill the end of their page without gaps. */
  #checkUse({ number, bytes }: Page, used: number): void {
    if (readHeader(bytes).upper + HEADER_BYTES + used !== bytes.length)
      throw damaged(number, 'holds entries that overlap');
  }

  #use(first: number, count: number): void {
    const { lastPage } = this.#meta;
    if (first < 0 || first + count - 1 > lastPage)
      throw damaged(first, `is behind the last one, ${lastPage}`);
    for (let page = first; page < first + count; page += 1) {
      if (this.#isUsed[page] === 1) throw damaged(page, 'is used twice');
      this.#isUsed[page] = 1;
    }
  }

  #readBytes(into: Buffer, position: number): void {
    if (readSync(this.#file, into, { position }) === into.length) return;
    throw cutOff(`page ${Math.floor(position / this.#meta.pageSize)} is not there`);
  }
}

function keyOf({ bytes }: Page, at: number, keyBytes: number): Buffer {
  return bytes.subarray(at + NODE_HEADER_BYTES, at + NODE_HEADER_BYTES + keyBytes);
}

function checkOrder(reading: Reading, key: Buffer, { number }: Page): void {
  const { last, least, compare } = reading;
  const isLater = last === undefined || compare(last, key) < 0;
  if (!isLater || (least !== undefined && compare(least, key) > 0)) {
    throw damaged(number, 'holds its keys in a wrong order');
  }
  reading.least = undefined;
}

/** LMDB begins nothing at an odd byte. */
function even(bytes: number): number {
  return bytes + (bytes % 2);
}
