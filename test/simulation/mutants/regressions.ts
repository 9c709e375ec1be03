import { mutantsIn } from './in.ts';
import type { Mutant } from './mutants.ts';
import { mutantsOut } from './out.ts';

/** A fault that the bridge once had and the simulator found, with a seed that finds it when it is put back. */
export interface Regression {
  readonly mutant: Mutant;
  readonly seed: number;
}

/**
 * What was mended. A change of the worlds may give a seed another history: then another one must be looked for, for
 * those named here by `npm run simulate -- --mutants <name>`.
 */
export const regressions: readonly Regression[] = [
  { mutant: known('events of a request leave in any order'), seed: 5 },
  { mutant: known('batch that waits is overtaken in strict order'), seed: 26 },
  { mutant: known('lapsed lease hides parked records'), seed: 10 },
  { mutant: known('way on beyond the end believed'), seed: 46 },
  { mutant: known('Retry-After of a last attempt forgotten'), seed: 46 },
  { mutant: known('rejected token not renewed'), seed: 105 },
  { mutant: known('records parked of a partition that is gone forgotten'), seed: 16 },
  {
    mutant: {
      name: 'records are written before one that is to be tried again',
      file: 'src/kafka-rest/write-records.ts',
      text: 'if (passing !== undefined) return [...first, ...records.slice(middle).map(() => passing)];',
      by: '',
    },
    seed: 14102,
  },
  {
    mutant: {
      name: 'what a dead run has parked is not looked for',
      file: 'src/drain/checkpoint.ts',
      text: 'if (lease !== null) return true;',
      by: '',
    },
    seed: 1559,
  },
  {
    mutant: {
      name: 'turn ends while a batch is taken apart',
      file: 'src/drain/walk.ts',
      text: "if (end === 'turn-over' && this.#sending.takesApart) return;",
      by: '',
    },
    seed: 439,
  },
  {
    mutant: {
      name: 'probe is sent after its time',
      file: 'src/drain/gate.ts',
      text: 'if (taken && inTime)',
      by: 'if (taken)',
    },
    seed: 1239,
  },
  {
    mutant: {
      name: 'probe under way opens an endpoint that was paused',
      file: 'src/drain/gate.ts',
      text: 'return isStopped(endpoint) || !(this.#probeIsOut',
      by: 'return !(this.#probeIsOut',
    },
    seed: 18053,
  },
  {
    mutant: {
      name: 'request of several records let out as a probe',
      file: 'src/drain/gate.ts',
      text: 'visitor === this.#prober && records === 1',
      by: 'visitor === this.#prober',
    },
    seed: 19223,
  },
];

function known(name: string): Mutant {
  const mutant = [...mutantsIn, ...mutantsOut].find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant "${name}"`);
  return mutant;
}
