import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import {
  afterPowerLoss,
  type DiskEvent,
  readDiskTrace,
  reasonAgainstStrace,
  underStrace,
} from '../support/disk-trace.ts';
import { expectKept, temporaryFolder } from '../support/outbox-folder.ts';
import { saidIn, startPutter } from '../support/putter.ts';
import { seededRandom } from '../support/random.ts';
import { allow } from '../support/limits.ts';

allow('processes');

/*
 * A power failure loses what the system holds and the disk does not. A process is traced (strace) while it puts and
 * settles: every write to data.mdb with its bytes, every flush, and every line that it says once a promise was kept.
 * From that the file is built as a disk may hold it when the power fails at some moment: all that was flushed by then,
 * and of what was written since any sectors or none. What had been said by that moment must hold.
 * Not shown: a disk that lies about flushes, and a new file whose name is lost with its folder.
 */

const MOMENTS = Number(process.env['SOAK_MOMENTS'] ?? 40);
const reason = reasonAgainstStrace();
const suite = reason === undefined ? describe : describe.skip;

/** So many of ten sectors that were not flushed are left. */
const share = (ofTen: number) => (seed: number) => {
  const random = seededRandom(seed);
  return () => random(10) < ofTen;
};
const remains = [share(0), share(5), share(1), share(9), share(5)];

async function traced(lines: number): Promise<DiskEvent[]> {
  const folder = temporaryFolder();
  const trace = join(temporaryFolder(), 'trace');
  const putter = startPutter({ folder, prefix: 'power', settledShare: 0.8, under: underStrace(trace) });
  await putter.lines(lines);
  await putter.kill();
  return readDiskTrace(trace, 'data.mdb');
}

/** Just before a flush most is unflushed: every second moment is such. */
function momentsOf(events: readonly DiskEvent[], count: number): number[] {
  const random = seededRandom(20_261_124);
  const first = events.findIndex(({ kind }) => kind === 'said');
  return Array.from({ length: count }, (_, index) => {
    const moment = first + random(events.length - first);
    if (index % 2 === 0) return moment;
    const flush = events.findIndex(({ kind }, at) => at >= moment && kind === 'flush');
    return flush === -1 ? moment : flush;
  });
}

suite(`when the power fails, the engine lmdb${reason === undefined ? '' : ` (${reason})`}`, () => {
  it('has all that it had said was accepted, delivered or dead, whatever the disk had written of the rest', async () => {
    const events = await traced(1500);
    let withLoss = 0;
    for (const [index, moment] of momentsOf(events, MOMENTS).entries()) {
      const before = events.slice(0, moment);
      const image = afterPowerLoss(before, remains[index % remains.length]!(index + 1));
      if (!image.equals(afterPowerLoss(before, () => true))) withLoss += 1;
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'data.mdb'), image);
      const text = before.map((event) => (event.kind === 'said' ? event.text : '')).join('');
      await expectKept(folder, [saidIn(text)]);
    }
    console.log(
      `moments: ${MOMENTS}, of them with something lost: ${withLoss}, writes: ` +
        `${events.filter(({ kind }) => kind === 'write').length}, flushes: ` +
        `${events.filter(({ kind }) => kind === 'flush').length}`,
    );
  });
});
