import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullJitterMs, retryAfterMs } from './backoff.ts';

test('the span of a backoff doubles up to its cap', () => {
  const backoff = { baseMs: 100, capMs: 1000 };
  const spans = [1, 2, 3, 4, 5, 50].map((retry) => fullJitterMs(retry, backoff, () => 1));
  assert.deepEqual(spans, [100, 200, 400, 800, 1000, 1000]);
});

test('jitter may choose any part of the span', () => {
  assert.equal(
    fullJitterMs(3, { baseMs: 100, capMs: 1000 }, () => 0),
    0,
  );
});

test('Retry-After is read as seconds or as a date', () => {
  const nowMs = Date.parse('2026-11-22T10:00:00Z');
  assert.equal(retryAfterMs('7', nowMs), 7000);
  assert.equal(retryAfterMs('Sun, 22 Nov 2026 10:00:30 GMT', nowMs), 30_000);
  assert.equal(retryAfterMs('Sun, 22 Nov 2026 09:00:00 GMT', nowMs), 0);
  assert.equal(retryAfterMs('soon', nowMs), undefined);
  assert.equal(retryAfterMs(undefined, nowMs), undefined);
});

test('a Retry-After that no integer holds is long, and what is neither seconds nor a date says nothing', () => {
  assert.equal(retryAfterMs('9'.repeat(12), 0), 999_999_999_999_000);
  for (const header of ['-5', '1.5', '1e9', 'NaN', '120, 120', '1, 2050', '']) {
    assert.equal(retryAfterMs(header, 0), undefined, header);
  }
});
