import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Plan, planOf } from './plan.ts';
import type { RunResult } from './run.ts';
import { shrink } from './shrink.ts';
import { withoutIdleTimers } from './timeline.ts';
import type { Fault } from './world/faults.ts';
import { strikeOf } from './world/world.ts';

/** A run in which each fault of the plan strikes five times, and which fails when `isBroken` says so of the strikes. */
function lived(plan: Plan, isBroken: (strikes: ReadonlySet<string>) => boolean): RunResult {
  const faults = Object.keys(plan.faults) as Fault[];
  const due = faults.flatMap((fault) => [1, 2, 3, 4, 5].map((number) => strikeOf(fault, number)));
  const strikes = new Set(due.filter((strike) => plan.strikes?.has(strike) ?? true));
  const struck = new Map(faults.map((fault) => [fault, 5]));
  const violation = isBroken(strikes) ? { invariant: 'all is well', detail: '', atMs: 0 } : undefined;
  return { plan, violation, events: 0, records: 0, deliveries: 0, steps: 0, livedMs: 0, struck };
}

test('a failure is traced to the strikes that it takes, and nothing else is left', async () => {
  const needed = [strikeOf('instance dies', 4), strikeOf('tables throttle', 2)];
  const run = async (plan: Plan) => lived(plan, (strikes) => needed.every((strike) => strikes.has(strike)));
  const rates = { 'instance dies': 0.01, 'timer doubles': 0.1, 'tables throttle': 0.1, 'proxy stalls': 0.1 };
  const plan: Plan = { ...planOf(7), faults: rates, instances: 3, producers: 3, minutes: 4, events: 40 };

  const { plan: shortest, violation } = await shrink(await run(plan), run);
  assert.equal(violation?.invariant, 'all is well');
  assert.deepEqual([...(shortest.strikes ?? [])].sort(), needed.sort());
  assert.deepEqual(Object.keys(shortest.faults), ['instance dies', 'tables throttle']);
  const { instances, producers, minutes, events, subscriptions } = shortest;
  assert.deepEqual(
    { instances, producers, minutes, events, subscriptions: subscriptions.length },
    { instances: 1, producers: 1, minutes: 1, events: 1, subscriptions: 1 },
  );
});

test('timers that find nothing to do take one line of what is shown', () => {
  const idle = ['drain', 'flushOutbox', 'drain'].flatMap((name) =>
    ['fires', 'ends'].map((what) => `    1.000  i1             timer ${name} ${what}`),
  );
  const eventful = '    2.000  i1             timer drain fires';
  assert.deepEqual(withoutIdleTimers(['a', ...idle, 'b', eventful, 'c']), [
    'a',
    '           (6 lines of timers that find nothing to do)',
    'b',
    eventful,
    'c',
  ]);
});
