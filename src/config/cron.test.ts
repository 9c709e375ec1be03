import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cron } from 'croner';
import fc from 'fast-check';
import { cronProblems } from './cron.ts';
import { scheduleSchema } from './schedules.ts';

test('a cron expression that a timer can follow has no problems', () => {
  for (const cron of [
    '* * * * * *',
    '0 */5 * * * *',
    ' 0  30 6\t* * mon-FRI ',
    '0,30 5-59/15 0-23/2 1,15 JAN,6-DEC/2 SUN',
    '0 0 0 29 2 *',
  ]) {
    assert.deepEqual(cronProblems(cron), [], cron);
  }
});

test('a cron expression is refused with the field that is wrong and what would be right', () => {
  const cases: [string, RegExp][] = [
    ['0 3 * * *', /must have six fields, seconds first.*this has 5/],
    ['', /this has/],
    ['0 0 3 * * * *', /this has 7/],
    ['60 0 * * * *', /^second "60" must be within 0 to 59$/],
    ['0 0 24 * * *', /^hour "24" must be within 0 to 23$/],
    ['0 0 0 0 * *', /^day of the month "0" must be within 1 to 31$/],
    ['0 0 0 * MON *', /^month "MON" must be within 1 to 12, or JAN to DEC$/],
    ['0 0 0 * * 7', /^day of the week "7" must be within 0 to 6, or SUN to SAT$/],
    ['0 0 0 * * FRI-SUN', /^day of the week "FRI-SUN" must go upwards/],
    ['0 5/15 * * * *', /^minute "5\/15" must say where it ends: 5-59\/15$/],
    ['0 */0 * * * *', /^minute "\*\/0" must have a step of 1 to 60$/],
    ['0 */61 * * * *', /must have a step of 1 to 60/],
    ['0 1, * * * *', /^minute "" must be \*, a value/],
    ['0 0 0 L * *', /^day of the month "L" must be \*/],
    ['0 0 0 ? * *', /^day of the month "\?" must be \*/],
    ['0 0 0 30-31 2 *', /^never comes: none of its months has a day 30$/],
    ['00:05:00', /must have six fields/],
  ];
  for (const [cron, expected] of cases) {
    const problems = cronProblems(cron);
    assert.equal(problems.length, 1, cron);
    assert.match(problems[0] ?? '', expected);
  }
  assert.equal(cronProblems('60 60 24 * * *').length, 3, 'all problems are told at once');
});

test('whatever text is taken for a cron expression, croner finds a time for it', () => {
  const part = fc.oneof(
    fc.constantFrom('*', 'mon', 'DEC', 'sun-sat', 'L', '5-1', '1#2', '*/7', '2-4/9'),
    fc.nat(61).map(String),
    fc.tuple(fc.nat(40), fc.nat(61)).map(([from, to]) => `${from}-${to}`),
    fc.tuple(fc.nat(20), fc.nat(35), fc.nat(40)).map(([from, to, step]) => `${from}-${from + to}/${step}`),
  );
  const field = fc.array(part, { minLength: 1, maxLength: 2 }).map((parts) => parts.join(','));
  const star = fc.constant('*');
  const sometimes = fc.oneof({ weight: 3, arbitrary: star }, field);
  fc.assert(
    fc.property(fc.tuple(field, sometimes, sometimes, sometimes, sometimes, sometimes), (fields) => {
      const cron = fields.join(' ');
      if (cronProblems(cron).length > 0) return;
      const next = new Cron(cron, { mode: '6-part', domAndDow: true, timezone: 'UTC', paused: true }).nextRun(
        new Date('2026-01-01T00:00:00Z'),
      );
      assert.ok(next !== null, cron);
    }),
    { numRuns: 500 },
  );
});

test('a schedule needs a cron only, and its other fields are checked', () => {
  assert.deepEqual(scheduleSchema.parse({ cron: ' 0 0 3 * * * ' }), {
    cron: '0 0 3 * * *',
    timeZone: 'Etc/UTC',
    missed: 'one',
    type: 'schedule.fired',
  });
  for (const timeZone of ['Europe/Berlin', 'UTC', 'Australia/Lord_Howe', 'America/Argentina/Buenos_Aires']) {
    assert.ok(scheduleSchema.safeParse({ cron: '0 0 3 * * *', timeZone }).success, timeZone);
  }
  for (const timeZone of ['W. Europe Standard Time', 'Mars/Base', '+01:00', '']) {
    const { error } = scheduleSchema.safeParse({ cron: '0 0 3 * * *', timeZone });
    assert.match(error?.message ?? '', /must be an IANA time zone, such as Europe\/Berlin/, timeZone);
  }
  assert.match(
    scheduleSchema.safeParse({ cron: '0 0 3 * * *', missed: 'never' }).error?.message ?? '',
    /one.*all.*skip/s,
  );
});
