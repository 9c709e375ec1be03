import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cron } from 'croner';
import fc from 'fast-check';
import { dueOccurrences, type Schedule, scheduledEvent, timerCronOf } from './schedule.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const nightly: Schedule = { cron: '0 0 3 * * *', timeZone: 'Etc/UTC', missed: 'one', type: 't' };

/** What a run publishes, as ISO times: `at` is when it runs, `tick` what its timer fired for. */
async function due(settings: Partial<Schedule>, { at, tick }: { at: string; tick?: string }) {
  const schedule = { ...nightly, ...settings };
  const nowMs = Date.parse(at);
  const timerCron = timerCronOf(schedule, nowMs);
  const { occurrencesMs, missedSinceMs } = await dueOccurrences(schedule, {
    timerCron,
    statusNext: tick,
    nowMs,
  });
  return {
    times: occurrencesMs.map((timeMs) => new Date(timeMs).toISOString().replace('.000Z', 'Z')),
    missedSince: missedSinceMs === undefined ? undefined : new Date(missedSinceMs).toISOString(),
  };
}

/** All that a schedule publishes while its timer runs, every tick on time, from one time to another. */
async function publishedBetween(schedule: Schedule, fromMs: number, toMs: number): Promise<number[]> {
  const timerCron = timerCronOf(schedule, fromMs);
  const ticks = openCron(timerCron, 'UTC');
  const published: number[] = [];
  for (let tick = ticks.nextRun(new Date(fromMs)); tick !== null; tick = ticks.nextRun(tick)) {
    if (tick.getTime() > toMs) break;
    const run = { timerCron, statusNext: tick.toISOString(), nowMs: tick.getTime() + 40 };
    const { occurrencesMs } = await dueOccurrences(schedule, run);
    published.push(...occurrencesMs);
  }
  return published;
}

function openCron(cron: string, timezone: string): Cron {
  const options = { mode: '6-part', domAndDow: true, fixedTimeRule: 'no-wildcard', paused: true } as const;
  return new Cron(cron, { ...options, timezone });
}

test('a timer that fires twice, early or late for one occurrence makes the same event', async () => {
  const tick = '2026-11-22T03:00:00+00:00';
  for (const at of ['2026-11-22T02:59:59.700Z', '2026-11-22T03:00:00.730Z', '2026-11-22T03:00:50Z']) {
    const { times } = await due({ missed: 'skip' }, { at, tick });
    assert.deepEqual(times, ['2026-11-22T03:00:00Z'], at);
  }
});

test('a day must match both the day of the month and the day of the week', async () => {
  const fridayThe13th = { cron: '0 0 3 13 * FRI', missed: 'all' as const };
  const { times } = await due(fridayThe13th, { tick: '2026-02-13T03:00:00Z', at: '2026-11-22T00:00:00Z' });
  assert.deepEqual(times, ['2026-02-13T03:00:00Z', '2026-03-13T03:00:00Z', '2026-11-13T03:00:00Z']);
});

test('a timer without a monitor makes the event of the latest occurrence', async () => {
  const every2s = { cron: '*/2 * * * * *' };
  for (const at of ['2026-11-22T10:00:01.950Z', '2026-11-22T10:00:02Z', '2026-11-22T10:00:03.800Z']) {
    assert.deepEqual((await due(every2s, { at })).times, ['2026-11-22T10:00:02Z'], at);
  }
});

test('a timer called by hand makes an event of the present', async () => {
  const at = '2026-11-22T10:00:00.730Z';
  const present = { times: ['2026-11-22T10:00:00Z'], missedSince: undefined };
  assert.deepEqual(await due({}, { at, tick: '2026-11-23T03:00:00Z' }), present);
  assert.deepEqual(await due({}, { at }), present, 'before a status has been stored');
});

test('after the app was away, the policy says what is made up for', async () => {
  const late = { tick: '2026-11-19T03:00:00Z', at: '2026-11-22T09:12:00Z' };
  const missed = [19, 20, 21, 22].map((day) => `2026-11-${day}T03:00:00Z`);
  const missedSince = '2026-11-19T03:00:00.000Z';
  assert.deepEqual(await due({ missed: 'one' }, late), { times: missed.slice(-1), missedSince });
  assert.deepEqual(await due({ missed: 'all' }, late), { times: missed, missedSince: undefined });
  assert.deepEqual(await due({ missed: 'skip' }, late), { times: [], missedSince });
});

test('a run that took long is made up for like an app that was away', async () => {
  const late = { tick: '2026-11-22T10:01:00Z', at: '2026-11-22T10:03:10Z' };
  const { times } = await due({ cron: '0 * * * * *', missed: 'all' }, late);
  assert.deepEqual(times, ['2026-11-22T10:01:00Z', '2026-11-22T10:02:00Z', '2026-11-22T10:03:00Z']);
});

test('making up has an end: the latest hundred are published and the rest is reported', async () => {
  const late = { tick: '2026-01-01T00:00:00Z', at: '2026-11-22T10:00:30Z' };
  const { times, missedSince } = await due({ cron: '0 * * * * *', missed: 'all' }, late);
  assert.equal(times.length, 100);
  assert.equal(times[0], '2026-11-22T08:21:00Z');
  assert.equal(times.at(-1), '2026-11-22T10:00:00Z');
  assert.equal(missedSince, '2026-01-01T00:00:00.000Z');
});

test('nothing is missed when only ticks of the timer were, none of the schedule itself', async () => {
  const berlin = { cron: '0 0 3 * * *', timeZone: 'Europe/Berlin' };
  const late = { tick: '2026-11-22T08:00:00Z', at: '2026-11-22T20:30:00Z' };
  for (const missed of ['one', 'all', 'skip'] as const) {
    assert.deepEqual(await due({ ...berlin, missed }, late), { times: [], missedSince: undefined });
  }
});

test('the timer of a schedule in another zone fires no more often than it must', () => {
  const nowMs = Date.UTC(2026, 10, 22);
  const cron = '0 30 3 * * MON';
  assert.equal(timerCronOf({ cron, timeZone: 'Etc/UTC' }, nowMs), cron);
  assert.equal(timerCronOf({ cron, timeZone: 'Africa/Abidjan' }, nowMs), cron);
  assert.equal(timerCronOf({ cron, timeZone: 'Europe/London' }, nowMs), '0 30 * * * *');
  assert.equal(timerCronOf({ cron, timeZone: 'Europe/Berlin' }, nowMs), '0 30 * * * *');
  assert.equal(timerCronOf({ cron, timeZone: 'Asia/Kolkata' }, nowMs), '0 * * * * *');
  assert.equal(timerCronOf({ cron, timeZone: 'Australia/Lord_Howe' }, nowMs), '0 * * * * *');
});

test('the hour is that of the zone, before and after the clocks change', async () => {
  const berlin = { cron: '0 0 6 * * *', timeZone: 'Europe/Berlin' };
  const onTime = async (time: string) => (await due(berlin, { at: time, tick: time })).times;
  assert.deepEqual(await onTime('2026-07-01T04:00:00Z'), ['2026-07-01T04:00:00Z']);
  assert.deepEqual(await onTime('2026-07-01T05:00:00Z'), []);
  assert.deepEqual(await onTime('2026-12-01T05:00:00Z'), ['2026-12-01T05:00:00Z']);
  assert.deepEqual(await onTime('2026-12-01T04:00:00Z'), []);
});

test('an hour that the clocks skip or repeat gives a daily schedule one event a day', async () => {
  const schedule: Schedule = {
    ...nightly,
    cron: '0 30 2,14 * * *',
    timeZone: 'Europe/Berlin',
    missed: 'skip',
  };
  const published = async (from: string, to: string) =>
    (await publishedBetween(schedule, Date.parse(from), Date.parse(to))).map((timeMs) =>
      new Date(timeMs).toISOString().slice(0, 16),
    );
  assert.deepEqual(await published('2026-03-28T00:00:00Z', '2026-03-31T00:00:00Z'), [
    '2026-03-28T01:30',
    '2026-03-28T13:30',
    '2026-03-29T01:00', // 03:00, the first time after the hour that is not there
    '2026-03-29T12:30',
    '2026-03-30T00:30',
    '2026-03-30T12:30',
  ]);
  assert.deepEqual(await published('2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z'), [
    '2026-10-24T12:30',
    '2026-10-25T00:30', // the first of two 02:30
    '2026-10-25T13:30',
    '2026-10-26T01:30',
  ]);
});

test('a schedule of every hour goes on through the hour that comes twice', async () => {
  const schedule: Schedule = { ...nightly, cron: '0 0 * * * *', timeZone: 'Europe/Berlin' };
  const fromMs = Date.parse('2026-10-24T20:30:00Z');
  assert.equal((await publishedBetween(schedule, fromMs, fromMs + 8 * hourMs)).length, 8);
});

const zones = [
  'Etc/UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'Pacific/Kiritimati',
];
const yearMs = Date.UTC(2026, 0, 1);
const oneOf = (min: number, max: number) => fc.integer({ min, max }).map(String);
const randomCron = fc
  .tuple(
    oneOf(0, 59),
    fc.oneof(oneOf(0, 59), fc.constantFrom('*/20', '5-50/15', '0,30')),
    fc.oneof(oneOf(0, 23), fc.constantFrom('*', '*/6', '1-3', '2,14')),
    fc.oneof(fc.constant('*'), oneOf(1, 28)),
    fc.oneof(fc.constant('*'), fc.constantFrom('3', '10', 'JAN-JUN/2')),
    fc.oneof(fc.constant('*'), fc.constantFrom('SUN', 'MON-FRI')),
  )
  .map((fields) => fields.join(' '));

test('every occurrence of a schedule in any zone is published by exactly one tick of its timer', async () => {
  await fc.assert(
    fc.asyncProperty(randomCron, fc.constantFrom(...zones), fc.nat(364), async (cron, timeZone, startDay) => {
      const schedule: Schedule = { ...nightly, cron, timeZone, missed: 'skip' };
      const timerCron = timerCronOf(schedule, yearMs);
      const ticks = openCron(timerCron, 'UTC');
      const publishedAt = async (tick: Date | null) => {
        assert.ok(tick !== null);
        const run = { timerCron, statusNext: tick.toISOString(), nowMs: tick.getTime() + 40 };
        const { occurrencesMs } = await dueOccurrences(schedule, run);
        return { occurrencesMs, following: ticks.nextRun(tick) };
      };
      for (const occurrence of openCron(cron, timeZone).nextRuns(8, new Date(yearMs + startDay * dayMs))) {
        const occurrenceMs = occurrence.getTime();
        const tick = ticks.nextRun(new Date(occurrenceMs - 1));
        assert.ok((tick?.getTime() ?? Infinity) - occurrenceMs < hourMs, 'within the hour');
        const first = await publishedAt(tick);
        assert.ok(first.occurrencesMs.includes(occurrenceMs), `${occurrence.toISOString()} at its tick`);
        const second = await publishedAt(first.following);
        assert.ok(!second.occurrencesMs.includes(occurrenceMs), 'only once');
      }
    }),
    { numRuns: 60 },
  );
});

test('a daily schedule comes once on each day of the year, whatever its time and zone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(oneOf(0, 59), oneOf(0, 3)),
      fc.constantFrom(...zones.filter((zone) => zone !== 'Etc/UTC')),
      async ([minute, hour], timeZone) => {
        const cron = `0 ${minute} ${hour} * * *`;
        const schedule: Schedule = { ...nightly, cron, timeZone, missed: 'all' };
        const timerCron = timerCronOf(schedule, yearMs);
        const day = new Intl.DateTimeFormat('sv', { timeZone });
        const ticks = openCron(timerCron, 'UTC');
        const days: string[] = [];
        // The app is away for ninety days at a time, and each start makes up for them.
        for (let startMs = yearMs; days.length < 365; startMs += 90 * dayMs) {
          const { occurrencesMs, missedSinceMs } = await dueOccurrences(schedule, {
            timerCron,
            statusNext: ticks.nextRun(new Date(startMs))?.toISOString(),
            nowMs: startMs + 90 * dayMs,
          });
          assert.equal(missedSinceMs, undefined);
          days.push(...occurrencesMs.map((timeMs) => day.format(timeMs)));
        }
        assert.equal(new Set(days).size, days.length, 'no day has two');
        const sorted = days.map((text) => Date.parse(text));
        for (const [index, timeMs] of sorted.slice(1).entries())
          assert.equal(timeMs - (sorted[index] ?? 0), dayMs, `no day is left out before ${days[index + 1]}`);
      },
    ),
    { numRuns: 12 },
  );
});

test('the data is a template in which the scheduled time and the name are filled in', () => {
  const occurrenceMs = Date.parse('2026-11-22T03:00:00Z');
  const { data, ...attributes } = scheduledEvent(
    'nightly',
    {
      type: 'report.due',
      subject: 'reports',
      data: {
        until: '{scheduledAt}',
        untilMs: '{scheduledAtMs}',
        file: '{name}-{scheduledAtMs}.csv',
        list: ['{name}', { deep: '{scheduledAt}' }, 7, true, null],
        other: '{unknown} {}',
      },
    },
    occurrenceMs,
  );
  assert.deepEqual(data, {
    until: '2026-11-22T03:00:00.000Z',
    untilMs: occurrenceMs,
    file: `nightly-${occurrenceMs}.csv`,
    list: ['nightly', { deep: '2026-11-22T03:00:00.000Z' }, 7, true, null],
    other: '{unknown} {}',
  });
  assert.deepEqual(attributes, {
    specversion: '1.0',
    id: 'nightly-2026-11-22T03:00:00.000Z',
    source: '/schedules/nightly',
    type: 'report.due',
    subject: 'reports',
    time: '2026-11-22T03:00:00.000Z',
    datacontenttype: 'application/json',
  });
});

test('a schedule without data tells its name and time; data may be null', () => {
  const occurrenceMs = Date.parse('2026-11-22T03:00:00Z');
  assert.deepEqual(scheduledEvent('nightly', { type: 't' }, occurrenceMs).data, {
    schedule: 'nightly',
    scheduledAt: '2026-11-22T03:00:00.000Z',
  });
  assert.equal(scheduledEvent('nightly', { type: 't', data: null }, occurrenceMs).data, null);
});
