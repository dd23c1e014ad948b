import { beforeEach, describe, expect, it } from 'vitest';
import { StreamWriter } from '../../src/xmpp/stream/writer.ts';
import { ManualClock } from '../support/clock.ts';

const MUCH = 64 * 1024;
const MEBIBYTE = 1024 * 1024;

describe('what is to be written to a server', () => {
  let clock: ManualClock;
  let written: string[];
  /** Bytes that the server has not taken yet. */
  let unsent: number;
  let writer: StreamWriter;

  beforeEach(() => {
    clock = new ManualClock();
    written = [];
    unsent = 0;
    writer = new StreamWriter(clock, {
      get writableLength() {
        return unsent;
      },
      write: (text) => written.push(text),
    });
  });

  /** Lets time pass, and the turn that follows. */
  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    await nextTurn();
  }

  /** Reads in one turn of the event loop. */
  async function read(bytes: number): Promise<void> {
    writer.heard(bytes);
    await nextTurn();
  }

  it('is written in the next turn of the event loop, all at once', async () => {
    writer.write('a');
    writer.write('b');
    await read(100);
    expect(written).toEqual(['ab']);
  });

  it('waits while more is to be read, also if that comes in small pieces (TLS), until nothing came for 100 ms', async () => {
    writer.write('a');
    for (let pieces = 0; pieces < 16; pieces += 1) writer.heard(1024);
    await nextTurn();
    await pass(99);
    await read(MUCH);
    await pass(1);
    await read(100);
    await pass(98);
    expect(written).toEqual([]);
    await pass(1);
    expect(written).toEqual(['a']);
  });

  it('is written after five seconds even if there is more and more to be read', async () => {
    await read(MUCH);
    writer.write('a');
    for (let ms = 0; ms < 5000; ms += 50) {
      await read(MUCH);
      expect(written).toEqual([]);
      await pass(50);
    }
    expect(written).toEqual(['a']);
  });

  it('is not written at once after a pause, in which more may have come', async () => {
    await read(MUCH);
    writer.write('a');
    await nextTurn();
    clock.pause(60_000);
    await read(MUCH);
    await pass(99);
    expect(written).toEqual([]);
    await pass(100);
    expect(written).toEqual(['a']);
  });

  it('waits on when its time has come but more was there to be read', async () => {
    await read(MUCH);
    writer.write('a');
    await nextTurn();
    clock.advance(100);
    await read(MUCH);
    expect(written).toEqual([]);
    await pass(100);
    expect(written).toEqual(['a']);
  });

  it('is a stanza of at most 65,536 characters, and none while 1 MiB waits for the server', async () => {
    const longest = 'x'.repeat(65_536);
    expect(writer.writeStanza(`${longest}x`)).toBe(false);
    for (let waiting = 0; waiting <= MEBIBYTE; waiting += longest.length) {
      expect(writer.writeStanza(longest)).toBe(true);
    }
    expect(writer.writeStanza('a')).toBe(false);
    await nextTurn();
    expect(written.join('')).toHaveLength(MEBIBYTE + longest.length);
    unsent = MEBIBYTE + 1;
    expect(writer.writeStanza('a')).toBe(false);
    unsent = MEBIBYTE;
    expect(writer.writeStanza('a')).toBe(true);
    await nextTurn();
    expect(written.at(-1)).toBe('a');
  });

  it('is forgotten when the connection ends', async () => {
    await read(MUCH);
    writer.write('a');
    await nextTurn();
    writer.stop();
    await pass(10_000);
    expect(written).toEqual([]);
    expect(clock.timers).toBe(0);
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
