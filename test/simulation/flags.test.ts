import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFlags } from './flags.ts';

test('without flags 2,000 worlds are lived', () => {
  const flags = readFlags([]);
  assert.ok(flags.kind === 'seeds');
  const { from, count, failuresMax, workers, minutes, shrinks, showsProgress } = flags;
  assert.deepEqual([from, count, failuresMax], [1, 2_000, 10]);
  assert.deepEqual([workers, minutes, shrinks, showsProgress], [undefined, undefined, true, true]);
});

test('one world, or mutants by parts of their names, can be asked for', () => {
  const one = readFlags(['--seed', '47', '--minutes', '3', '--no-shrink']);
  assert.ok(one.kind === 'seed');
  assert.deepEqual([one.seed, one.minutes, one.shrinks], [47, 3, false]);
  const mutants = readFlags(['--mutants', 'fence', 'lease']);
  assert.ok(mutants.kind === 'mutants');
  assert.deepEqual(mutants.names, ['fence', 'lease']);
});

const refused: readonly (readonly [readonly string[], RegExp])[] = [
  [['--seeds', '0'], /--seeds must be an integer from 1/],
  [['--seeds', 'many'], /--seeds must be an integer from 1 .*"many"/],
  [['--seed', '1.5'], /--seed must be an integer/],
  [['--minutes', '0'], /--minutes must be an integer from 1 to 60/],
  [['--failures', '0'], /--failures must be an integer from 1/],
  [['--workers', '0'], /--workers must be an integer from 1/],
  [['fence'], /"fence" could only be the name of a mutant: add --mutants/],
  [['--seed', '1', '--seeds', '5'], /leave out --seeds/],
  [['--mutants', '--seeds', '5'], /leave out the flags about seeds/],
  [['--bogus'], /Unknown option '--bogus'; see --help$/],
];
for (const [args, message] of refused) {
  test(`a command line that could only mislead is refused: ${args.join(' ')}`, () => {
    assert.throws(() => readFlags(args), { code: 'flags.wrong', message });
  });
}
