import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { createOriginRate } from './origin-rate.ts';

const emitter = 'emitter.example.com';

function setup(ratePerMinute: number, allowedOrigins: readonly string[] | '*' = [emitter]) {
  const clock = createManualClock();
  const rate = createOriginRate({ allowedOrigins, ratePerMinute }, clock);
  return {
    clock,
    rate,
    times: (count: number, origin = emitter) => Array.from({ length: count }, () => rate(origin)),
  };
}

test('a sender may send as many a minute as it was allowed, and is told when it may send the next', async () => {
  const { clock, rate, times } = setup(4);
  assert.deepEqual(times(5), [undefined, undefined, undefined, undefined, 15]);
  await clock.advance(10_000);
  assert.equal(rate(emitter), 5, 'what was refused does not count');
  await clock.advance(5_000);
  assert.deepEqual(times(2), [undefined, 15]);
  await clock.advance(3_600_000);
  assert.deepEqual(
    times(5),
    [undefined, undefined, undefined, undefined, 15],
    'a long pause saves up one minute',
  );
});

test('origins are counted apart, however they write their names', () => {
  const { rate, times } = setup(1, [emitter, 'other.example.com']);
  assert.equal(rate(emitter), undefined);
  assert.equal(rate('Emitter.EXAMPLE.com'), 60);
  assert.deepEqual(times(1, 'other.example.com'), [undefined]);
});

test('an origin that was promised nothing is not counted', () => {
  const { times } = setup(1);
  assert.deepEqual(times(3, 'stranger.example'), [undefined, undefined, undefined]);
});

test('the table of origins is bounded: of very many, the one that was silent the longest is forgotten', () => {
  const { rate } = setup(1, '*');
  for (let number = 0; number < 1_000; number += 1) rate(`sender-${number}.example`);
  assert.equal(rate('sender-0.example'), 60);
  rate('one-more.example');
  assert.equal(rate('sender-1.example'), 60);
  assert.equal(rate('sender-0.example'), undefined);
  assert.equal(rate('x'.repeat(254)), undefined);
  assert.equal(rate('x'.repeat(254)), undefined, 'no DNS name');
});

test('no rate is ever overrun by more than the minute saved up, and whoever waits as told gets in', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 60 }),
      async (ratePerMinute, pausesMs) => {
        const { clock, rate } = setup(ratePerMinute);
        const startMs = clock.now();
        let taken = 0;
        for (const pauseMs of pausesMs) {
          await clock.advance(pauseMs);
          const waitSeconds = rate(emitter);
          if (waitSeconds === undefined) taken += 1;
          else {
            await clock.advance(waitSeconds * 1_000);
            assert.equal(rate(emitter), undefined);
            taken += 1;
          }
          const minutes = (clock.now() - startMs) / 60_000;
          assert.ok(taken <= Math.ceil(ratePerMinute * (minutes + 1)) + 1);
        }
      },
    ),
    { numRuns: 50 },
  );
});
