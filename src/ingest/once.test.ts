import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { silentLog } from '../shared/log.ts';
import { silentTelemetry } from '../shared/telemetry.ts';
import type { Fate } from './keep.ts';
import { createOnce, type FinalFate } from './once.ts';

const produced: Fate = { kind: 'produced', partition: 1, offset: 7n };

function setup() {
  const saved = new Map<string, { fate: FinalFate; expiresAtMs: number }>();
  const state = { storage: true };
  const clock = createManualClock(0);
  const guard = () => {
    if (!state.storage) throw new Error('storage is away');
  };
  const once = createOnce({
    receipts: {
      find: async (source, id) => {
        guard();
        const receipt = saved.get(`${source}/${id}`);
        return receipt !== undefined && receipt.expiresAtMs > clock.now() ? receipt.fate : undefined;
      },
      save: async (source, id, fate, expiresAtMs) => {
        guard();
        saved.set(`${source}/${id}`, { fate, expiresAtMs });
      },
    },
    clock,
    report: silentLog,
    telemetry: silentTelemetry,
  });
  let kept = 0;
  const run = (id: string, fate: Fate = produced) =>
    once({ source: 'orders', id, windowMs: 1_000 }, async () => {
      kept += 1;
      return fate;
    });
  return { run, state, clock, keptCount: () => kept };
}

test('a repetition within the window is answered like the first and kept once', async () => {
  const { run, keptCount, clock } = setup();
  assert.deepEqual(await run('a'), produced);
  assert.deepEqual(await run('a'), produced);
  assert.equal(keptCount(), 1);
  await run('b');
  assert.equal(keptCount(), 2);
  await clock.advance(1_000);
  await run('a');
  assert.equal(keptCount(), 3, 'the window has passed');
});

test('an event that comes several times at once is kept once', async () => {
  const { run, keptCount } = setup();
  assert.deepEqual(await Promise.all([run('a'), run('a'), run('a')]), [produced, produced, produced]);
  assert.equal(keptCount(), 1);
});

test('an event that could not be kept is kept when it comes again', async () => {
  const { run, keptCount } = setup();
  await run('a', { kind: 'failed', code: 'c', message: 'm' });
  assert.deepEqual(await run('a'), produced);
  assert.equal(keptCount(), 2);
});

test('without storage nothing is lost: the event is kept, perhaps twice', async () => {
  const { run, state, keptCount } = setup();
  state.storage = false;
  assert.deepEqual(await run('a'), produced);
  assert.deepEqual(await run('a'), produced);
  assert.equal(keptCount(), 2);
});
