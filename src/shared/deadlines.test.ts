import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { createDeadlines } from './deadlines.ts';

test('each deadline expires at its own time, whatever the order in which they began', async () => {
  const clock = createManualClock(0);
  const deadlines = createDeadlines(clock);
  const expired: string[] = [];
  for (const timeoutMs of [5_000, 100, 1_000]) {
    deadlines.begin(timeoutMs, () => expired.push(`${timeoutMs}@${clock.now()}`));
  }
  await clock.advance(6_000);
  assert.deepEqual(expired, ['100@100', '1000@1000', '5000@5000']);
});

test('a deadline that was met does not expire', async () => {
  const clock = createManualClock(0);
  const deadlines = createDeadlines(clock);
  const expired: string[] = [];
  const met = deadlines.begin(1_000, () => expired.push('met'));
  deadlines.begin(1_000, () => expired.push('missed'));
  met();
  await clock.advance(1_000);
  assert.deepEqual(expired, ['missed']);
});

test('thousands of deadlines share one timer, and without any none is left', async () => {
  const clock = createManualClock(0);
  const deadlines = createDeadlines(clock);
  const met = Array.from({ length: 5_000 }, () => deadlines.begin(15_000, () => undefined));
  assert.equal(clock.pendingSleeps(), 1);
  for (const end of met) end();
  await clock.advance(250);
  assert.equal(clock.pendingSleeps(), 0);
});
