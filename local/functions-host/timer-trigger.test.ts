import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { openTestTrigger } from './test-host.ts';
import { timerTrigger } from './timer-trigger.ts';

const noon = Date.parse('2026-01-01T12:00:00Z');
const minuteMs = 60_000;

/** A host with one timer: what the timer's function is given, at which time. */
function createTimer(
  t: TestContext,
  setup: {
    options: Record<string, unknown>;
    stateDir?: string;
    startMs?: number;
    env?: NodeJS.ProcessEnv;
    work?: (sleep: (ms: number) => Promise<void>) => Promise<void>;
  },
) {
  const clock = createManualClock(setup.startMs ?? noon);
  const stateDir = setup.stateDir ?? mkdtempSync(join(tmpdir(), 'timer-'));
  const runs: { at: string; isPastDue: unknown; status: unknown }[] = [];
  const { trigger, lines, stop } = openTestTrigger(t, timerTrigger, {
    name: 'tick',
    binding: { type: 'timerTrigger', ...setup.options },
    parts: {
      clock,
      stateDir,
      env: setup.env ?? {},
      invoke: async (_fn, { data }) => {
        const timer = JSON.parse(data.json ?? '');
        runs.push({ at: time(clock.now()), isPastDue: timer.IsPastDue, status: timer.ScheduleStatus });
        await setup.work?.(clock.sleep);
        return { ok: true, response: {} };
      },
    },
  });
  trigger.start?.();
  t.after(() => rmSync(stateDir, { recursive: true, force: true }));
  return { clock, runs, lines, stateDir, stop };
}

/** A host with one timer after one that was down: what ran there, and when. */
async function runsAfterDowntime(
  t: TestContext,
  down: { readonly forMs: number; readonly scheduleAfter: string; readonly thenMs: number },
) {
  const before = createTimer(t, { options: { schedule: '0 */5 * * * *' } });
  await before.clock.advance(6 * minuteMs);
  await before.stop();
  const after = createTimer(t, {
    options: { schedule: down.scheduleAfter },
    stateDir: before.stateDir,
    startMs: noon + 6 * minuteMs + down.forMs,
  });
  await after.clock.advance(down.thenMs);
  return after.runs.map(({ at, isPastDue }) => ({ at, isPastDue }));
}

const time = (timeMs: number) => new Date(timeMs).toISOString().slice(11, 19);

test('a timer fires at its times, and its function sees the schedule status', async (t) => {
  const { clock, runs } = createTimer(t, { options: { schedule: '0 */5 * * * *' } });
  await clock.advance(11 * minuteMs);
  assert.deepEqual(runs, [
    {
      at: '12:05:00',
      isPastDue: false,
      status: {
        Last: '0001-01-01T00:00:00+00:00',
        Next: '2026-01-01T12:05:00.000+00:00',
        LastUpdated: '2026-01-01T12:00:00.000+00:00',
      },
    },
    {
      at: '12:10:00',
      isPastDue: false,
      status: {
        Last: '2026-01-01T12:05:00.000+00:00',
        Next: '2026-01-01T12:10:00.000+00:00',
        LastUpdated: '2026-01-01T12:05:00.000+00:00',
      },
    },
  ]);
});

test('what was missed while the host was down becomes one run at its start, past due', async (t) => {
  const down = { forMs: 57 * minuteMs, scheduleAfter: '0 */5 * * * *', thenMs: 3 * minuteMs };
  assert.deepEqual(await runsAfterDowntime(t, down), [
    { at: '13:03:00', isPastDue: true },
    { at: '13:05:00', isPastDue: false },
  ]);
});

test('a host that starts again in time is not past due', async (t) => {
  const down = { forMs: minuteMs, scheduleAfter: '0 */5 * * * *', thenMs: 4 * minuteMs };
  assert.deepEqual(await runsAfterDowntime(t, down), [{ at: '12:10:00', isPastDue: false }]);
});

test('a schedule that was changed while the host was down is not past due', async (t) => {
  const down = { forMs: 57 * minuteMs, scheduleAfter: '0 30 * * * *', thenMs: 30 * minuteMs };
  assert.deepEqual(await runsAfterDowntime(t, down), [{ at: '13:30:00', isPastDue: false }]);
});

test('a run that overruns is not overlapped, and what it made late runs once', async (t) => {
  let rounds = 0;
  const { clock, runs } = createTimer(t, {
    options: { schedule: '0 * * * * *' },
    work: async (sleep) => {
      rounds += 1;
      if (rounds === 1) await sleep(3.5 * minuteMs);
    },
  });
  await clock.advance(6 * minuteMs);
  assert.deepEqual(
    runs.map(({ at }) => at),
    ['12:01:00', '12:04:30', '12:05:00', '12:06:00'],
  );
});

test('runOnStartup fires at once, then by the schedule', async (t) => {
  const { clock, runs } = createTimer(t, { options: { schedule: '0 */5 * * * *', runOnStartup: true } });
  await clock.advance(5 * minuteMs);
  assert.deepEqual(
    runs.map(({ at, isPastDue }) => [at, isPastDue]),
    [
      ['12:00:00', false],
      ['12:05:00', false],
    ],
  );
});

for (const options of [
  { schedule: '*/30 * * * * *' },
  { schedule: '00:00:30' },
  { schedule: '00:05:00', useMonitor: false },
]) {
  test(`the status of ${JSON.stringify(options)} is not kept`, async (t) => {
    const { clock, runs, stateDir } = createTimer(t, { options });
    await clock.advance(5 * minuteMs);
    assert.equal(runs[0]?.status, null);
    assert.throws(() => readFileSync(join(stateDir, 'timers', 'tick.json')), /ENOENT/);
  });
}

test('a status file that cannot be read begins the schedule anew and says so', async (t) => {
  const first = createTimer(t, { options: { schedule: '0 */5 * * * *' } });
  await first.stop();
  writeFileSync(join(first.stateDir, 'timers', 'tick.json'), '{"Last":');
  const second = createTimer(t, { options: { schedule: '0 */5 * * * *' }, stateDir: first.stateDir });
  await second.clock.advance(5 * minuteMs);
  assert.equal(second.runs.length, 1);
  assert.match(second.lines.join('\n'), /Function 'tick' begins its schedule anew/);
});

test('a schedule may come from an app setting, in the time zone of another', async (t) => {
  const { clock, runs } = createTimer(t, {
    options: { schedule: '%WHEN%' },
    env: { WHEN: '0 0 18 * * *', WEBSITE_TIME_ZONE: 'Asia/Kolkata' },
  });
  await clock.advance(60 * minuteMs);
  assert.deepEqual(
    runs.map(({ at }) => at),
    ['12:30:00'],
  );
});

test('a yearly timer does not fire early', async (t) => {
  const { clock, runs } = createTimer(t, { options: { schedule: '0 0 0 1 7 *' } });
  await clock.advance(180 * 24 * 60 * minuteMs);
  assert.deepEqual(runs, []);
  await clock.advance(24 * 60 * minuteMs);
  assert.equal(runs.length, 1);
});

test('a schedule that cannot work is refused with the name of its function', (t) => {
  assert.throws(() => createTimer(t, { options: { schedule: 'daily' } }), /function "tick": .*six fields/);
  assert.throws(() => createTimer(t, { options: { schedule: '%WHEN%' } }), /'%WHEN%' does not resolve/);
  assert.throws(() => createTimer(t, { options: {} }), /function "tick":[\s\S]*schedule/);
});
