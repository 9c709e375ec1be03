import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSchedule } from './timer-schedule.ts';

function occurrences(expression: string, from: string, count: number, timeZone = 'UTC') {
  const schedule = parseSchedule(expression, timeZone);
  let timeMs = Date.parse(from);
  return Array.from({ length: count }, () => {
    timeMs = schedule.next(timeMs);
    return new Date(timeMs).toISOString().replace(':00.000Z', 'Z');
  });
}

test('six fields begin with the second', () => {
  assert.deepEqual(occurrences('30 */5 * * * *', '2026-01-01T00:00:00Z', 2), [
    '2026-01-01T00:00:30.000Z',
    '2026-01-01T00:05:30.000Z',
  ]);
});

test('an occurrence comes after the time asked for, never at it', () => {
  assert.deepEqual(occurrences('0 0 * * * *', '2026-01-01T01:00:00Z', 1), ['2026-01-01T02:00Z']);
});

test('day of the month and day of the week must both match, as in NCrontab', () => {
  assert.deepEqual(occurrences('0 0 0 13 * FRI', '2026-01-01T00:00:00Z', 2), [
    '2026-02-13T00:00Z',
    '2026-03-13T00:00Z',
  ]);
});

test('the time zone moves the hour', () => {
  assert.deepEqual(occurrences('0 0 9 * * MON-FRI', '2026-07-03T12:00:00Z', 1, 'Europe/Berlin'), [
    '2026-07-06T07:00Z',
  ]);
});

test('a time span is an interval from the last run on', () => {
  assert.deepEqual(occurrences('1.00:00:00', '2026-01-01T00:00:07Z', 1), ['2026-01-02T00:00:07.000Z']);
  assert.equal(parseSchedule('00:00:30', 'UTC').adjustForDst, false);
  assert.equal(parseSchedule('0 0 * * * *', 'UTC').adjustForDst, true);
});

for (const expression of [
  '*/5 * * * *',
  '0 0 0 L * *',
  '0 0 0 ? * MON',
  '@daily',
  '61 * * * * *',
  'soon',
  '',
]) {
  test(`schedule "${expression}" is refused`, () => {
    assert.throws(() => parseSchedule(expression, 'UTC'), /is neither six fields .* nor hh:mm:ss/);
  });
}

test('a time zone that does not exist is refused', () => {
  assert.throws(() => parseSchedule('0 0 * * * *', 'Mars/Base').next(0), /Mars\/Base/);
});
