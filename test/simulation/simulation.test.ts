import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMutants, findMutants, isFoundBy, mutants } from './mutants/mutants.ts';
import { regressions } from './mutants/regressions.ts';
import { planOf } from './plan.ts';
import { run } from './run.ts';
import { runSeeds } from './seeds.ts';
import { tellTimeline } from './timeline.ts';
import { withoutMachine } from './world/machine.ts';

test('over hundreds of seeds no promise is broken, whatever goes wrong', async () => {
  const { runs, failures } = await runSeeds({ from: 1, count: 300, failuresMax: 10 });
  assert.deepEqual(failures, []);
  assert.equal(runs, 300);
});

for (const { mutant, seed } of regressions) {
  test(`what was mended once stays mended: ${mutant.name}`, async () => {
    const { violation } = await run(planOf(seed));
    assert.equal(violation, undefined, `seed ${seed}`);
    assert.ok(await isFoundBy(mutant, seed), `seed ${seed} finds it when it is put back`);
  });
}

test('one seed makes one history, byte for byte', async () => {
  const eventful = Array.from({ length: 100 }, (_, index) => planOf(index + 1)).find(
    ({ faults }) => Object.keys(faults).length > 30,
  );
  assert.ok(eventful !== undefined, 'one in which nearly everything goes wrong');
  const first = await tellTimeline(eventful);
  const second = await tellTimeline(eventful);
  assert.ok(first.lines.length > 100);
  assert.equal(first.digest, second.digest);
  const other = await tellTimeline({ ...eventful, seed: eventful.seed + 1 });
  assert.notEqual(first.digest, other.digest);
});

test('where nothing goes wrong, nothing is lost, given up or repeated', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { violation, events, deliveries } = await run({ ...planOf(seed), faults: {}, skewMs: 0 });
    assert.equal(violation, undefined, `seed ${seed}`);
    assert.ok(events > 0 && deliveries > 0);
  }
});

test('what reaches for the machine is stopped and told of', async () => {
  const reached = await withoutMachine(
    () => 5,
    0,
    async () => {
      assert.throws(() => Date.now(), /Date\.now is the machine's/);
      assert.throws(() => setTimeout(() => undefined, 1));
      assert.equal(new Date().toISOString(), '1970-01-01T00:00:00.005Z');
    },
  );
  assert.deepEqual(
    reached.map(({ what }) => what),
    ['Date.now', 'setTimeout'],
  );
  assert.ok(Date.now() > 5);
});

test('every deliberate fault can still be put into the code, and one of them is found', async () => {
  await checkMutants(mutants);
  const [result] = await findMutants(['checkpoint before delivery']);
  assert.ok(result?.seeds !== undefined);
});
