import { seededRandom } from './random.ts';

const PAGE = 4096;

/** The ways in which a file of pages can be damaged: each takes a number below a bound, and changes the content. */
const ways = {
  'one bit anywhere': (content, random) => flip(content, random(content.length), random(8)),
  'one bit at the begin of a page': (content, random) =>
    flip(content, random(content.length / PAGE) * PAGE + random(64), random(8)),
  'a page of zeros': (content, random) => {
    const at = random(content.length / PAGE) * PAGE;
    return Buffer.from(content).fill(0, at, at + PAGE);
  },
  'cut off': (content, random) => content.subarray(0, random(content.length)),
  'two pages in each other’s place': (content, random) => {
    const [one, other] = [random(content.length / PAGE) * PAGE, random(content.length / PAGE) * PAGE];
    const swapped = Buffer.from(content);
    content.copy(swapped, one, other, other + PAGE);
    content.copy(swapped, other, one, one + PAGE);
    return swapped;
  },
  'sixteen other bytes': (content, random) => {
    const other = Buffer.from(content);
    const at = random(content.length - 16);
    for (let index = 0; index < 16; index += 1) other[at + index] = random(256);
    return other;
  },
} satisfies Record<string, (content: Buffer, random: (below: number) => number) => Buffer>;

export interface Damage {
  readonly how: string;
  readonly content: Buffer;
}

/** A damaged copy; the same one for the same seed, each way in turn. */
export function damaged(content: Buffer, seed: number): Damage {
  const names = Object.keys(ways) as (keyof typeof ways)[];
  const how = names[seed % names.length]!;
  return { how: `seed ${seed}: ${how}`, content: ways[how](content, seededRandom(seed * 7919 + 1)) };
}

function flip(content: Buffer, at: number, bit: number): Buffer {
  const flipped = Buffer.from(content);
  flipped[at]! ^= 1 << bit;
  return flipped;
}
