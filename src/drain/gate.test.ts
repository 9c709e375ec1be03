import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { createMemoryCheckpointStore } from '../storage/memory/checkpoint-store.ts';
import { activeEndpoint, breakEndpoint, stopEndpoint, takeProbe } from './endpoint-state.ts';
import { Gate } from './gate.ts';

const failed = { kind: 'retry', atMs: 0, error: 'answered 503', endpoint: 'failing' } as const;

/** A gate before an endpoint that may be found broken, and is due for a probe at once. */
function setup(limits: { readonly connectionsMax: number; readonly ratePerSecond?: number }) {
  const clock = createManualClock(0);
  const checkpoints = createMemoryCheckpointStore();
  const breaker = { failureRatio: 0.5, attemptsMin: 2, openMs: 1_000, openMsMax: 1_000 };
  const gate = new Gate({
    subscription: 'audit',
    limits: { ...limits, breaker },
    allowedPerSecond: () => undefined,
    attemptMs: 5_000,
    checkpoints,
    clock,
  });
  const stopForProbe = () => {
    const found = { why: 'failed', nowMs: 0, probeAtMs: 0 };
    return checkpoints.createEndpoint(breakEndpoint(activeEndpoint('audit', 0), found));
  };
  return { gate, clock, checkpoints, stopForProbe };
}

/** The same with a probe under way, and the state in which the endpoint is since. */
async function setupWithProbe() {
  const { gate, checkpoints, stopForProbe } = setup({ connectionsMax: 4 });
  await stopForProbe();
  const prober = {};
  assert.ok(await gate.admit(prober, true));
  assert.equal(await gate.enter(prober), 'probe');
  const taken = await checkpoints.readEndpoint('audit');
  assert.ok(taken);
  return { gate, checkpoints, taken };
}

test('a probe waits for room while what began before the endpoint broke is still under way', async () => {
  const { gate, clock, stopForProbe } = setup({ connectionsMax: 1 });
  const [slow, prober] = [{}, {}];
  assert.ok(await gate.admit(slow));
  assert.equal(await gate.enter(slow), 'attempt');

  await stopForProbe();
  assert.ok(await gate.admit(prober, true));
  const began: string[] = [];
  const entered = Promise.resolve(gate.enter(prober)).then((admission) => began.push(admission));
  await clock.advance(1_000);
  assert.deepEqual(began, [], 'the only connection is in use');

  await gate.leave('attempt', { kind: 'done' });
  await entered;
  assert.deepEqual(began, ['probe']);
});

test('what comes of a probe counts only as long as nobody else has taken the next', async () => {
  for (const verdict of [{ kind: 'done' }, failed] as const) {
    const { gate, checkpoints, taken } = await setupWithProbe();
    const next = await checkpoints.replaceEndpoint(takeProbe(taken.endpoint, 60_000), taken.version);

    await gate.leave('probe', verdict);
    assert.deepEqual(await checkpoints.readEndpoint('audit'), next);
  }
});

test('an endpoint that others have found broken, and well again, is not broken by what was heard before', async () => {
  const { gate, clock, checkpoints } = setup({ connectionsMax: 4 });
  const visitor = {};
  assert.ok(await gate.admit(visitor));
  for (let attempts = 0; attempts < 2; attempts += 1) assert.equal(await gate.enter(visitor), 'attempt');
  await clock.advance(2_000);
  const well = await checkpoints.createEndpoint(activeEndpoint('audit', 1_000));
  await gate.leave('attempt', failed);
  await gate.leave('attempt', failed);
  assert.deepEqual(await checkpoints.readEndpoint('audit'), well);

  assert.equal(await gate.enter(visitor), 'attempt');
  await gate.leave('attempt', failed);
  assert.equal(
    (await checkpoints.readEndpoint('audit'))?.endpoint.state,
    'broken',
    'by what was heard since',
  );
});

test('nobody is admitted to an endpoint that was paused while its probe is under way', async () => {
  const { gate, checkpoints, taken } = await setupWithProbe();
  const why = 'records are lost';
  await checkpoints.replaceEndpoint(stopEndpoint(taken.endpoint, 'paused', { why, nowMs: 1 }), taken.version);
  assert.equal(await gate.admit({}, true), false);
});

test('a request of several records, made up while the endpoint was active, is no probe', async () => {
  const { gate, stopForProbe } = setup({ connectionsMax: 4 });
  await stopForProbe();
  const prober = {};
  assert.ok(await gate.admit(prober, true));
  assert.equal(await gate.enter(prober, { records: 2 }), 'refused');
  assert.equal(await gate.enter(prober, { records: 1 }), 'probe');
});

test('a probe counts for the rate of its endpoint', async () => {
  const { gate, clock, stopForProbe } = setup({ connectionsMax: 4, ratePerSecond: 1 });
  await stopForProbe();
  const prober = {};
  assert.ok(await gate.admit(prober, true));
  assert.equal(await gate.enter(prober), 'probe');
  await gate.leave('probe', { kind: 'done' });

  const began: string[] = [];
  const entered = Promise.resolve(gate.enter(prober)).then((admission) => began.push(admission));
  await clock.advance(900);
  assert.deepEqual(began, []);
  await clock.advance(100);
  await entered;
  assert.deepEqual(began, ['attempt']);
});

test('a pause holds for an endpoint that was stopped when it was last looked at, and resumed since', async () => {
  const { gate, checkpoints } = setup({ connectionsMax: 4 });
  const why = 'an operator looks into it';
  const stopped = stopEndpoint(activeEndpoint('audit', 0), 'paused', { why, nowMs: 0 });
  const stored = await checkpoints.createEndpoint(stopped);
  assert.equal(await gate.admit({}), false);
  await checkpoints.replaceEndpoint(activeEndpoint('audit', 1), stored?.version ?? '');

  await gate.pause('records are lost');
  const now = await checkpoints.readEndpoint('audit');
  assert.deepEqual([now?.endpoint.state, now?.endpoint.why], ['paused', 'records are lost']);

  await gate.pause('others are lost, too');
  assert.deepEqual(await checkpoints.readEndpoint('audit'), now, 'one that is stopped stays as it is');
});
