/** Whole numbers from 0 up to `below` (excluded), the same ones for the same seed. */
export type SeededRandom = (below: number) => number;

/** The minimal standard generator (Park and Miller, 1988). */
export function seededRandom(seed: number): SeededRandom {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}
