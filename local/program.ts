import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** A program of the command line that takes options and no arguments. */
export interface Program<Options extends ParseArgsOptionsConfig> {
  /** What `--help` prints, and what follows a command line that cannot be followed. */
  readonly usage: string;
  /** Its options, besides `--help`. */
  readonly options: Options;
  /** Answers the exit code. */
  main(values: ValuesOf<Options>): Promise<number>;
  /** A line about what `main` has thrown. */
  failure(error: unknown): string;
}

type ValuesOf<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ readonly options: Options }>
>['values'];

/**
 * Runs a program and sets the exit code: what `main` answers, 1 when it throws, and 2, before it has begun, when the
 * command line cannot be followed.
 */
export async function runProgram<const Options extends ParseArgsOptionsConfig>(
  program: Program<Options>,
): Promise<void> {
  process.exitCode = await run(program);
}

async function run<Options extends ParseArgsOptionsConfig>(program: Program<Options>): Promise<number> {
  const { usage, options } = program;
  if (process.argv.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  let values: ValuesOf<Options>;
  try {
    values = parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return 2;
  }
  try {
    return await program.main(values);
  } catch (error) {
    process.stderr.write(`${program.failure(error)}\n`);
    return 1;
  }
}
