import { integerOf, parseFlags, wrongFlags } from '../support/flags.ts';

/** What `--help` prints. */
export const usage = `Lives seeded worlds in which everything fails, and looks for broken promises.

Usage: npm run simulate -- [flags]
       npm run simulate -- --seed N [flags]
       npm run simulate -- --mutants [flags] [names]

many worlds:
  --seeds N      how many (2000); the first broken promise is shown by its shortest history
  --from N       the first seed (1)
  --failures N   begin no more after so many broken promises (10)
  --workers N    threads (one for each processor)

  --seed N       one world, with its whole timeline

  --mutants      put deliberate faults into the code, one at a time, and tell how many seeds it takes to find each;
                 of those only whose names hold one of the given ones, or all

  --minutes M    virtual minutes until all faults stop; not with --mutants
  --no-shrink    do not look for the shortest history; not with --mutants
  --no-progress  do not tell on stderr how far it has come
  --json         one line of JSON instead
  --help         print this

Exit code: 0 all is well, 1 a promise was broken or a mutant was not found, 2 it could not run.
`;

/** What the command line asks for. */
export type SimulateFlags = {
  readonly help: boolean;
  readonly json: boolean;
  readonly showsProgress: boolean;
  /** Whether the shortest history of a failure is looked for. */
  readonly shrinks: boolean;
  /** Virtual minutes until the world heals; undefined: as the plan of each seed says. */
  readonly minutes: number | undefined;
} & (
  | {
      readonly kind: 'seeds';
      readonly from: number;
      readonly count: number;
      readonly failuresMax: number;
      readonly workers: number | undefined;
    }
  | { readonly kind: 'seed'; readonly seed: number }
  | { readonly kind: 'mutants'; readonly names: readonly string[] }
);

/** Seeds are hashed as text; beyond this a number would not be the one that was written. */
const seedMax = Number.MAX_SAFE_INTEGER;
const minutesMax = 60;
const workersMax = 256;

/** Reads the command line. @throws {SluiceError} saying what would be right. */
export function readFlags(args: readonly string[]): SimulateFlags {
  const { values, positionals } = parseFlags(args, options);
  const { help, json, seed, seeds, from, failures, workers, minutes, mutants } = values;
  const ofMany = seeds ?? from ?? failures ?? workers;
  if (positionals.length > 0 && !mutants) {
    throw wrongFlags(
      `"${positionals[0]}" could only be the name of a mutant: add --mutants, or leave it out`,
    );
  }
  if (mutants && (seed ?? ofMany ?? minutes) !== undefined) {
    throw wrongFlags('--mutants runs the same seeds for each: leave out the flags about seeds and minutes');
  }
  if (seed !== undefined && ofMany !== undefined) {
    throw wrongFlags('--seed lives one world: leave out --seeds, --from, --failures and --workers');
  }
  const common = {
    help,
    json,
    showsProgress: !values['no-progress'],
    shrinks: !values['no-shrink'],
    minutes: minutes === undefined ? undefined : integerOf('--minutes', minutes, { min: 1, max: minutesMax }),
  };
  if (mutants) return { ...common, kind: 'mutants', names: positionals };
  if (seed !== undefined)
    return { ...common, kind: 'seed', seed: integerOf('--seed', seed, { min: 0, max: seedMax }) };
  return {
    ...common,
    kind: 'seeds',
    from: integerOf('--from', from ?? '1', { min: 0, max: seedMax }),
    count: integerOf('--seeds', seeds ?? '2000', { min: 1, max: seedMax }),
    failuresMax: integerOf('--failures', failures ?? '10', { min: 1, max: seedMax }),
    workers: workers === undefined ? undefined : integerOf('--workers', workers, { min: 1, max: workersMax }),
  };
}

const options = {
  seeds: { type: 'string' },
  from: { type: 'string' },
  seed: { type: 'string' },
  minutes: { type: 'string' },
  workers: { type: 'string' },
  failures: { type: 'string' },
  json: { type: 'boolean', default: false },
  mutants: { type: 'boolean', default: false },
  'no-shrink': { type: 'boolean', default: false },
  'no-progress': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;
