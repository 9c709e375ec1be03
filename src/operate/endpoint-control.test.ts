import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOperateWorld } from '../../test/support/operate-world.ts';
import { activeEndpoint, breakEndpoint, stopEndpoint } from '../drain/endpoint-state.ts';
import { pause, resume } from './endpoint-control.ts';

const subscription = 'billing';

test('a subscription is paused with a reason, and resumed', async () => {
  const { options, clock } = createOperateWorld();
  const since = new Date(clock.now()).toISOString();
  const paused = await pause(options, { subscription, why: 'maintenance' });
  assert.equal(paused.before.state, 'active');
  assert.deepEqual(paused.now, { state: 'paused', since, why: 'maintenance', probeAt: null, openings: 0 });
  assert.equal((await options.checkpoints.readEndpoint(subscription))?.endpoint.state, 'paused');

  const resumed = await resume(options, { subscription });
  assert.deepEqual([resumed.before.state, resumed.now.state, resumed.now.why], ['paused', 'active', '']);
  assert.equal((await options.checkpoints.readEndpoint(subscription))?.endpoint.state, 'active');
});

test('resume brings back what a 410 disabled and closes what the breaker opened', async () => {
  const { options, clock } = createOperateWorld();
  const nowMs = clock.now();
  const active = activeEndpoint(subscription, nowMs);
  const first = await options.checkpoints.createEndpoint(
    stopEndpoint(active, 'disabled', { why: 'answered 410', nowMs }),
  );
  assert.ok(first);
  assert.equal((await resume(options, { subscription })).before.why, 'answered 410');
  const again = await options.checkpoints.readEndpoint(subscription);
  assert.ok(again);
  const broken = breakEndpoint(active, { why: '20 of 20 failed', nowMs, probeAtMs: nowMs + 30_000 });
  await options.checkpoints.replaceEndpoint(broken, again.version);
  const { now } = await resume(options, { subscription });
  assert.deepEqual([now.state, now.openings, now.probeAt], ['active', 0, null]);
});

test('pausing what has stopped already keeps since when and why', async () => {
  const { options, clock } = createOperateWorld();
  const first = await pause(options, { subscription, why: 'first' });
  await clock.advance(60_000);
  assert.deepEqual((await pause(options, { subscription, why: 'second' })).now, first.now);
});

test('resuming what was never stopped writes nothing', async () => {
  const { options } = createOperateWorld();
  assert.equal((await resume(options, { subscription })).now.state, 'active');
  assert.equal(await options.checkpoints.readEndpoint(subscription), undefined);
});

test('a pause wins against a drain that writes the state at the same moment', async () => {
  const { options, clock } = createOperateWorld();
  const { checkpoints } = options;
  let raced = false;
  const contended = {
    ...checkpoints,
    createEndpoint: async (endpoint: Parameters<typeof checkpoints.createEndpoint>[0]) => {
      if (!raced) {
        raced = true;
        await checkpoints.createEndpoint(activeEndpoint(subscription, clock.now()));
      }
      return checkpoints.createEndpoint(endpoint);
    },
  };
  await pause({ ...options, checkpoints: contended }, { subscription, why: 'now' });
  assert.equal((await checkpoints.readEndpoint(subscription))?.endpoint.state, 'paused');
});
