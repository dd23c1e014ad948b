/*
 * The format of an LMDB file as lmdb 3.5.6 writes it (liblmdb/mdb.c: MDB_page_header, MDB_node, MDB_db, MDB_meta). All
 * numbers are little-endian, as on all machines that Node runs on.
 */

/** Each page begins with its number, a transaction, two bytes, its kind, and how much of it is used. */
export const HEADER_BYTES = 24;
const KIND_AT = 18;
const LOWER_AT = 20;
const UPPER_AT = 22;
const OVERFLOW_COUNT_AT = 20;

/** The kinds of pages, as numbers in their headers. */
export const kinds = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;

/** LMDB's magic number and the version of its form, at the beginning of a meta page behind the header. */
const MAGIC = 0xbeefc0de;
const FORM = 2;
export const META_PAGE_BYTES = 160;

/** What a table is: how many pages it has, and where it begins. */
export interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** The number of its first page; undefined: it has none. */
  readonly root: number | undefined;
}

/** The bytes of a table's description in a meta page or in the table of tables. */
export const TREE_BYTES = 48;
const NO_ROOT = 2 ** 64;

export function readTree(bytes: Buffer): Tree {
  const root = uint64(bytes, 40);
  return {
    flags: bytes.readUInt16LE(4),
    depth: bytes.readUInt16LE(6),
    branchPages: uint64(bytes, 8),
    leafPages: uint64(bytes, 16),
    overflowPages: uint64(bytes, 24),
    entries: uint64(bytes, 32),
    root: root === NO_ROOT ? undefined : root,
  };
}

/** What one of the first two pages says of the whole file. */
export interface Meta {
  readonly pageSize: number;
  /** What LMDB would map of the file, in bytes. */
  readonly mapSize: number;
  /** The lists of free pages, by transaction. */
  readonly free: Tree;
  /** The table of tables, by name. */
  readonly tables: Tree;
  readonly lastPage: number;
  readonly transaction: number;
}

/** Undefined if it is no meta page of LMDB. */
export function readMeta(page: Buffer): Meta | undefined {
  if (page.length < META_PAGE_BYTES || page.readUInt16LE(KIND_AT) !== kinds.meta) return undefined;
  const meta = page.subarray(HEADER_BYTES);
  if (meta.readUInt32LE(0) !== MAGIC || meta.readUInt16LE(4) !== FORM) return undefined;
  return {
    mapSize: uint64(meta, 16),
    // LMDB keeps it where other tables have a field that they do not use.
    pageSize: meta.readUInt32LE(24),
    free: readTree(meta.subarray(24, 24 + TREE_BYTES)),
    tables: readTree(meta.subarray(72, 72 + TREE_BYTES)),
    lastPage: uint64(meta, 120),
    transaction: uint64(meta, 128),
  };
}

/** What the header of a page says of it. */
export function readHeader(page: Buffer) {
  return {
    number: uint64(page, 0),
    /** The one that wrote it. */
    transaction: uint64(page, 8),
    kind: page.readUInt16LE(KIND_AT),
    /** Of what follows the header: the end of the list of nodes, and the begin of the nodes. */
    lower: page.readUInt16LE(LOWER_AT),
    upper: page.readUInt16LE(UPPER_AT),
    /** Of an overflow page: how many pages it takes. */
    overflowCount: page.readUInt32LE(OVERFLOW_COUNT_AT),
  };
}

/** The bytes of a node before its key. */
export const NODE_HEADER_BYTES = 8;

/** What a node's own header says; `at` is where in the page it begins. */
export function readNode(page: Buffer, at: number) {
  const low = page.readUInt32LE(at);
  const flags = page.readUInt16LE(at + 4);
  return {
    /** In a leaf: the bytes of its value, and what kind of value that is. */
    valueBytes: low,
    flags,
    /** In a branch: the page below it. */
    child: low + flags * 2 ** 32,
    keyBytes: page.readUInt16LE(at + 6),
  };
}

/** Flags of a node in a leaf: its value is on overflow pages, or describes a table. */
export const ON_OVERFLOW = 1;
export const TABLE = 2;

/** The bytes of a value that names its overflow pages: the first of them, a transaction, and how many they are. */
export const OVERFLOW_BYTES = 24;

export function readOverflow(value: Buffer) {
  return { first: uint64(value, 0), count: uint64(value, 16) };
}

/** An entry of a list of free pages. */
export interface FreePages {
  readonly first: number;
  readonly count: number;
}

/**
 * A list of free pages: a length and so many numbers. A number is 0 (none), a page, or negative: the length of a block,
 * whose first page follows. Undefined: it is no such list.
 */
export function readFreePages(value: Buffer): FreePages[] | undefined {
  if (value.length < 8 || value.length % 8 !== 0) return undefined;
  const length = uint64(value, 0);
  if (length > value.length / 8 - 1) return undefined;
  const pages: FreePages[] = [];
  let count = 1;
  for (let index = 1; index <= length; index += 1) {
    const number = Number(value.readBigInt64LE(8 * index));
    if (number < 0) count = -number;
    else if (number > 0) {
      pages.push({ first: number, count });
      count = 1;
    }
  }
  return count === 1 ? pages : undefined;
}

/** Exact up to 2^53; no file has so many bytes. */
export function uint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
