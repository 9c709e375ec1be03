import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { SluiceError } from './error.ts';
import { checkHealth } from './health.ts';
import { silentLog } from './log.ts';

test('each part is reported on its own, by code and without what a stranger need not know', async () => {
  const report = await checkHealth({
    checks: {
      fine: async () => undefined,
      broken: async () => {
        throw new SluiceError({ code: 'part.broken', message: 'host 10.1.2.3 is away', retryable: true });
      },
    },
    clock: createManualClock(0),
    report: silentLog,
    deadlineMs: 1_000,
  });
  assert.equal(report.healthy, false);
  assert.deepEqual(report.checks.fine, { ok: true, latencyMs: 0 });
  assert.deepEqual(report.checks.broken, { ok: false, code: 'part.broken', latencyMs: 0 });
  assert.doesNotMatch(JSON.stringify(report), /10\.1\.2\.3/);
});

test('a part that does not answer has failed when its time is over', async () => {
  const clock = createManualClock(0);
  const outcome = checkHealth({
    checks: { silent: () => new Promise(() => undefined) },
    clock,
    report: silentLog,
    deadlineMs: 1_000,
  });
  await clock.advance(1_000);
  assert.deepEqual((await outcome).checks.silent, { ok: false, code: 'health.timeout', latencyMs: 1_000 });
});
