/**
 * Faults that the bridge once had and the simulator found, by the mutant that puts each back, with a seed that finds it.
 * A change of the worlds may give a seed another history; `npm run simulate -- --mutants <name>` tells the new one.
 */
export const regressions: readonly (readonly [mutant: string, seed: number])[] = [
  ['events of a request leave in any order', 3],
  ['batch that waits is overtaken in strict order', 193],
];
