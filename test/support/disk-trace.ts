import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { allow } from './limits.ts';

allow('processes');

/** System calls that change a file or make changes safe, and those by which their file is known. */
export const TRACED_CALLS =
  'openat,close,lseek,write,writev,pwrite64,pwritev,pwritev2,fdatasync,fsync,msync,sync_file_range,ftruncate,fallocate';

/** strace with all bytes of all writes, without shortening, for a command that it runs. */
export function underStrace(output: string): string[] {
  return ['strace', '-f', '-qq', '-xx', '-s', '100000000', '-e', `trace=${TRACED_CALLS}`, '-o', output];
}

/** Undefined if processes can be traced here, else why not. */
export function reasonAgainstStrace(): string | undefined {
  const { error, status } = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']);
  if (error !== undefined) return 'there is no strace';
  return status === 0 ? undefined : 'strace may not trace';
}

/** Something that happened to the file, or that was said. */
export type DiskEvent =
  /** Bytes were given to the file; `isDurable` if they were on disk when the call returned (O_DSYNC, O_SYNC). */
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer; readonly isDurable: boolean }
  /** A flush of all that had been written before it began has succeeded. */
  | { readonly kind: 'flush'; readonly begun: number }
  | { readonly kind: 'said'; readonly text: string };

/** One call, as text: its parameters were known at `begun`, the rest at its end (positions in the trace). */
interface Call {
  readonly name: string;
  readonly parameters: string;
  readonly result: number;
  readonly begun: number;
}

interface OpenFile {
  readonly isSynchronous: boolean;
  position: number;
}

/** Reads a trace: what was done to the file of this name, and what was said on stdout, in the order of its time. */
export function readDiskTrace(path: string, fileName: string): DiskEvent[] {
  const files = new Map<number, OpenFile>();
  const events: DiskEvent[] = [];
  for (const call of callsOf(readFileSync(path, 'latin1'), () => events.length)) {
    if (call.result < 0) continue;
    const event = eventOf(call, files, fileName);
    if (event !== undefined) events.push(...event);
  }
  return events;
}

function eventOf(
  { name, parameters, result, begun }: Call,
  files: Map<number, OpenFile>,
  fileName: string,
): DiskEvent[] | undefined {
  if (name === 'openat') {
    files.delete(result);
    if (unescaped(parameters).includes(`/${fileName}`)) {
      files.set(result, { isSynchronous: /O_D?SYNC/.test(parameters), position: 0 });
    }
    return undefined;
  }
  const descriptor = Number.parseInt(parameters, 10);
  if (name === 'write' && descriptor === 1) return [{ kind: 'said', text: unescaped(parameters) }];
  if (name === 'msync') throw new Error('the file is written through memory: such writes cannot be traced');
  const file = files.get(descriptor);
  if (file === undefined) return undefined;
  switch (name) {
    case 'close':
      files.delete(descriptor);
      return undefined;
    case 'lseek':
      file.position = result;
      return undefined;
    case 'fdatasync':
    case 'fsync':
      return [{ kind: 'flush', begun }];
    case 'write':
    case 'writev': {
      const at = file.position;
      file.position += result;
      return [writeOf(at, parameters, result, file)];
    }
    case 'pwrite64':
    case 'pwritev':
      return [writeOf(lastNumber(parameters), parameters, result, file)];
    default:
      throw new Error(`what ${name} does to a file is not known here`);
  }
}

function writeOf(at: number, parameters: string, length: number, { isSynchronous }: OpenFile): DiskEvent {
  const bytes = Buffer.from(unescaped(parameters), 'latin1').subarray(0, length);
  if (bytes.length !== length) throw new Error('the trace does not have all bytes of a write');
  return { kind: 'write', at, bytes, isDurable: isSynchronous };
}

function lastNumber(parameters: string): number {
  return Number(/(\d+)$/.exec(parameters)?.[1]);
}

/** All strings among the parameters, one after the other: `"\x41\x42"`. */
function unescaped(parameters: string): string {
  const parts: string[] = [];
  for (const [, hexadecimal = ''] of parameters.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)) {
    parts.push(Buffer.from(hexadecimal.replaceAll('\\x', ''), 'hex').toString('latin1'));
  }
  return parts.join('');
}

/** The calls in the order in which they ended, those of several threads put together. */
function* callsOf(trace: string, now: () => number): Iterable<Call> {
  const unfinished = new Map<string, { readonly text: string; readonly begun: number }>();
  // The last line may have been cut off.
  for (const line of trace.split('\n').slice(0, -1)) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    if (text.endsWith(' <unfinished ...>')) {
      unfinished.set(thread, { text: text.slice(0, -' <unfinished ...>'.length), begun: now() });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text);
    const start = resumed === null ? undefined : unfinished.get(thread);
    const whole = (start?.text ?? '') + text.slice(resumed?.[0].length ?? 0);
    const [, name, parameters, result] = /^(\w+)\((.*)\) += (-?\d+)/s.exec(whole) ?? [];
    if (name === undefined) continue;
    yield { name, parameters: parameters ?? '', result: Number(result), begun: start?.begun ?? now() };
  }
}

/** A sector: a disk writes it whole or not at all. */
const SECTOR_BYTES = 512;

/**
 * The file as a disk may hold it after the power failed when `events` had happened: all that was flushed, and of what
 * was written since any sectors, as `isKept` says.
 */
export function afterPowerLoss(events: readonly DiskEvent[], isKept: () => boolean): Buffer {
  const safe = safeWrites(events);
  const ends = events.map((event) => (event.kind === 'write' ? event.at + event.bytes.length : 0));
  const bytes = Buffer.alloc(ends.reduce((most, end) => Math.max(most, end), 0));
  let size = 0;
  for (const [index, event] of events.entries()) {
    if (event.kind !== 'write') continue;
    for (let from = 0; from < event.bytes.length;) {
      const at = event.at + from;
      const to = Math.min(event.bytes.length, from + SECTOR_BYTES - (at % SECTOR_BYTES));
      if (safe.has(index) || isKept()) {
        event.bytes.copy(bytes, at, from, to);
        size = Math.max(size, event.at + to);
      }
      from = to;
    }
  }
  return bytes.subarray(0, size);
}

/** The positions of those writes that a flush or their own descriptor has made safe. */
function safeWrites(events: readonly DiskEvent[]): Set<number> {
  const safe = new Set<number>();
  let flushed = 0;
  for (const event of events) if (event.kind === 'flush') flushed = Math.max(flushed, event.begun);
  for (const [index, event] of events.entries()) {
    if (event.kind === 'write' && (event.isDurable || index < flushed)) safe.add(index);
  }
  return safe;
}
