/** A random source that can be replayed: WORKTIDE_TEST_SEED is the seed that a failed run has printed. */
export function seedOf(): Readonly<{ seed: number; random: () => number }> {
  const given = Number(process.env["WORKTIDE_TEST_SEED"]);
  const seed = given > 0 ? given : Math.ceil(Math.random() * 2 ** 31);
  let state = seed;
  // mulberry32, in the public domain: Tommy Ettinger's 32-bit generator.
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, random };
}
