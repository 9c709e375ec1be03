import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../../../src/shared/error.ts';
import { mutantsIn } from './in.ts';
import { mutantsOut } from './out.ts';

/** A deliberate fault in the code: a text in a file of `src` that is replaced. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly by: string;
}

/** Seeds one after another. */
interface Seeds {
  readonly from: number;
  readonly count: number;
}

/** What came of a mutant. */
export interface MutantResult {
  readonly name: string;
  /** How many seeds it took to find it; undefined: it was not found. */
  readonly seeds: number | undefined;
  /** The promise that it broke. */
  readonly invariant: string | undefined;
}

/** Is told how the search goes. */
export interface MutantsListener {
  readonly onBegin?: (name: string, count: { readonly done: number; readonly all: number }) => void;
  readonly onResult?: (result: MutantResult) => void;
}

/** Seeds within which a mutant must be found. */
export const mutantSeedsMax = 500;

const root = join(import.meta.dirname, '..', '..', '..');

/** Faults that a simulator worth its name finds. */
export const mutants: readonly Mutant[] = [...mutantsIn, ...mutantsOut];

/**
 * Applies mutants one at a time to a copy of the tree, and runs seeds there until one of them breaks a promise.
 *
 * @param names parts of names; none: all mutants.
 * @throws {SluiceError} when one of them is in no name.
 * @throws when a text is not in its file exactly once.
 */
export async function findMutants(
  names: readonly string[],
  { onBegin, onResult }: MutantsListener = {},
): Promise<readonly MutantResult[]> {
  const chosen = names.length === 0 ? mutants : mutantsNamed(names);
  // A text that is not there is told of before anything is run.
  await checkMutants(chosen);
  const results: MutantResult[] = [];
  for (const mutant of chosen) {
    onBegin?.(mutant.name, { done: results.length, all: chosen.length });
    const result = await findMutant(mutant, { from: 1, count: mutantSeedsMax });
    results.push(result);
    onResult?.(result);
  }
  return results;
}

function mutantsNamed(parts: readonly string[]): readonly Mutant[] {
  const unknown = parts.find((part) => !mutants.some(({ name }) => name.includes(part)));
  if (unknown === undefined) return mutants.filter(({ name }) => parts.some((part) => name.includes(part)));
  const message = `no mutant has "${unknown}" in its name; their names are in test/simulation/mutants/`;
  throw new SluiceError({ code: 'simulate.mutant-unknown', message, retryable: false });
}

/** Whether one seed finds a mutant. @throws when its text is not in its file exactly once. */
export async function isFoundBy(mutant: Mutant, seed: number): Promise<boolean> {
  return (await findMutant(mutant, { from: seed, count: 1 })).seeds !== undefined;
}

/** @throws when the text of one is not in its file exactly once. */
export async function checkMutants(chosen: readonly Mutant[]): Promise<void> {
  for (const mutant of chosen) await applied(mutant);
}

/** The file of a mutant as it makes it. */
async function applied({ name, file, text, by }: Mutant): Promise<string> {
  const original = await readFile(join(root, file), 'utf8');
  const times = original.split(text).length - 1;
  if (times !== 1) throw new Error(`mutant "${name}": its text is in ${file} ${times} times, not once`);
  return original.replace(text, () => by);
}

async function findMutant(mutant: Mutant, { from, count }: Seeds): Promise<MutantResult> {
  const { name, file } = mutant;
  const dir = await mkdtemp(join(tmpdir(), 'sluice-mutant-'));
  try {
    await cp(join(root, 'src'), join(dir, 'src'), { recursive: true });
    for (const part of ['simulation', 'support']) {
      await cp(join(root, 'test', part), join(dir, 'test', part), { recursive: true });
    }
    await cp(join(root, 'package.json'), join(dir, 'package.json'));
    await symlink(join(root, 'node_modules'), join(dir, 'node_modules'), 'dir');
    await writeFile(join(dir, file), await applied(mutant));
    const output = await runNode(dir, [
      'test/simulation/main.ts',
      ...['--from', String(from), '--seeds', String(count), '--failures', '1'],
      ...['--json', '--no-shrink', '--no-progress'],
    ]);
    const { failures } = JSON.parse(output) as { failures: { seed: number; invariant: string }[] };
    return { name, seeds: failures[0]?.seed, invariant: failures[0]?.invariant };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function runNode(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 || code === 1) resolve(output);
      else reject(new Error(`the simulator ended with ${code}: ${output}`));
    });
  });
}
