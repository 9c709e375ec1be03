import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProgress, timeLeft } from './progress.ts';

function shownOn(stream: { isTTY?: boolean; columns?: number }) {
  const clock = { nowMs: 0 };
  const written: string[] = [];
  const progress = createProgress({
    stream: { ...stream, write: (text) => written.push(text) },
    nowMs: () => clock.nowMs,
  });
  return { progress, written, clock };
}

test('on a terminal one line is rewritten, as often as can be read, and fits', () => {
  const { progress, written, clock } = shownOn({ isTTY: true, columns: 11 });
  progress.show('1 of 20 seeds');
  progress.show('2 of 20 seeds');
  clock.nowMs = 100;
  progress.show('3 of 20');
  progress.clear();
  assert.deepEqual(written, ['\r\u001B[K1 of 20 se', '\r\u001B[K3 of 20', '\r\u001B[K']);
});

test('where nobody watches there is a whole line every ten seconds, and none of what is over before', () => {
  const { progress, written, clock } = shownOn({});
  for (; clock.nowMs <= 25_000; clock.nowMs += 1_000) progress.show(`after ${clock.nowMs / 1000} s`);
  progress.clear();
  assert.deepEqual(written, ['after 10 s\n', 'after 20 s\n']);
});

test('the time left is told from the time taken', () => {
  assert.equal(timeLeft({ done: 0, all: 10, tookMs: 0 }), 'time left unknown');
  assert.equal(timeLeft({ done: 1, all: 10, tookMs: 1_000 }), '9 s left');
  assert.equal(timeLeft({ done: 100, all: 20_000, tookMs: 1_000 }), '3 min 19 s left');
});
