import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { silentTelemetry } from '../shared/telemetry.ts';
import { createBatcher } from './batcher.ts';
import type { OutgoingRecord } from './ports.ts';
import { createPressure } from './pressure.ts';

const limits = { lingerMs: 5, batchRecordsMax: 4, batchBytesMax: 10_000, callsMax: 2 };

/** A batcher whose calls end when the test says so. */
function setup(changes: Partial<typeof limits> = {}) {
  const clock = createManualClock(0);
  const calls: {
    topic: string;
    values: unknown[];
    end: (fates?: string[]) => void;
    fail: (error: Error) => void;
  }[] = [];
  const batch = createBatcher<string>({
    clock,
    telemetry: silentTelemetry,
    limits: { ...limits, ...changes },
    carry: (topic, records) =>
      new Promise((resolve, reject) => {
        const values = records.map(({ value }) => value);
        calls.push({
          topic,
          values,
          end: (fates = values.map((value) => `${value}!`)) => resolve(fates),
          fail: reject,
        });
      }),
  });
  const send = (value: unknown, topic = 'orders') => batch(topic, [{ value }]);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, calls, batch, send, settled };
}

const valuesOf = (calls: { values: unknown[] }[]) => calls.map(({ values }) => values);

test('on an idle line a record leaves at once', async () => {
  const { calls, send, settled } = setup();
  void send('a');
  await settled();
  assert.deepEqual(valuesOf(calls), [['a']]);
});

test('what comes while all calls are under way travels together when one ends', async () => {
  const { calls, send, settled } = setup({ callsMax: 1 });
  const first = send('a');
  await settled();
  const fates = Promise.all([first, send('b'), send('c')]);
  await settled();
  assert.deepEqual(valuesOf(calls), [['a']]);
  calls[0]?.end();
  await settled();
  assert.deepEqual(valuesOf(calls), [['a'], ['b', 'c']]);
  calls[1]?.end();
  assert.deepEqual(await fates, [['a!'], ['b!'], ['c!']], 'each caller is answered for its own');
});

test('while all calls are under way no timer looks again and again', async () => {
  const { calls, send, clock, settled } = setup({ callsMax: 1 });
  void send('a');
  await settled();
  void send('b');
  await settled();
  assert.equal(clock.pendingSleeps(), 0);
  calls[0]?.end();
  await settled();
  assert.deepEqual(valuesOf(calls), [['a'], ['b']]);
});

test('a call that takes long holds others up for no longer than the linger', async () => {
  const { calls, batch, send, clock, settled } = setup();
  void batch('orders', [{ value: 1 }, { value: 2 }, { value: 3 }]);
  await settled();
  for (const value of ['b', 'c']) void send(value);
  await clock.advance(4);
  assert.deepEqual(valuesOf(calls), [[1, 2, 3]]);
  await clock.advance(1);
  assert.deepEqual(valuesOf(calls), [
    [1, 2, 3],
    ['b', 'c'],
  ]);
});

test('a crowd is spread evenly over the calls, so that not all are answered at the same moment', async () => {
  const { calls, send, settled } = setup({ callsMax: 3, batchRecordsMax: 100 });
  for (let value = 0; value < 12; value += 1) void send(value);
  await settled();
  assert.deepEqual(
    calls.map(({ values }) => values.length),
    [12],
    'what is there at once travels at once',
  );
  for (const value of [12, 13, 14, 15, 16]) {
    void send(value);
    await settled();
  }
  assert.equal(calls.length, 1, 'five are not yet a third of seventeen');
  void send(17);
  await settled();
  assert.deepEqual(valuesOf(calls)[1], [12, 13, 14, 15, 16, 17]);
});

test('a full batch leaves without lingering, and no more calls than allowed are under way', async () => {
  const { calls, send, settled } = setup();
  void send('a');
  await settled();
  for (const value of [1, 2, 3, 4, 5, 6, 7, 8]) void send(value);
  await settled();
  assert.deepEqual(valuesOf(calls), [['a'], [1, 2, 3, 4]]);
});

test('a batch is bounded in bytes, but a large record travels alone rather than never', async () => {
  const { calls, send, settled } = setup({ batchBytesMax: 100, callsMax: 1 });
  for (const value of ['a', 'x'.repeat(500), 'y'.repeat(60), 'z'.repeat(60)]) void send(value);
  await settled();
  for (let call = 0; call < 4; call += 1) {
    calls[call]?.end();
    await settled();
  }
  assert.deepEqual(
    calls.map(({ values }) => String(values).length),
    [1, 500, 60, 60],
  );
});

test('topics do not wait for each other', async () => {
  const { calls, send, settled } = setup();
  void send('a', 'orders');
  void send('b', 'payments');
  await settled();
  assert.deepEqual(
    calls.map(({ topic }) => topic),
    ['orders', 'payments'],
  );
});

test('a call that throws fails its own callers, and the line goes on', async () => {
  const { calls, send, settled } = setup();
  const first = send('a');
  await settled();
  const second = send('b');
  calls[0]?.fail(new Error('unexpected'));
  await assert.rejects(first, /unexpected/);
  await settled();
  calls[1]?.end();
  assert.deepEqual(await second, ['b!']);
});

test('a fate that is missing is a failure of its caller, not silence', async () => {
  const { calls, batch, settled } = setup();
  const both = batch('orders', [{ value: 'a' }, { value: 'b' }]);
  await settled();
  calls[0]?.end(['a!']);
  await assert.rejects(both, /nothing was said/);
});

test('whatever comes in whatever pieces, everybody is answered for exactly their own', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer(), { maxLength: 12 }), { maxLength: 30 }),
      fc.record({
        batchRecordsMax: fc.integer({ min: 1, max: 7 }),
        callsMax: fc.integer({ min: 1, max: 3 }),
      }),
      async (requests, changes) => {
        let sent = 0;
        const batch = createBatcher<unknown>({
          clock: createManualClock(0),
          telemetry: silentTelemetry,
          limits: { ...limits, ...changes },
          carry: async (_topic, records: readonly OutgoingRecord[]) => {
            assert.ok(records.length <= changes.batchRecordsMax);
            sent += records.length;
            return records.map(({ value }) => value);
          },
        });
        const answers = await Promise.all(
          requests.map((values) =>
            batch(
              't',
              values.map((value) => ({ value })),
            ),
          ),
        );
        assert.deepEqual(answers, requests);
        assert.equal(sent, requests.flat().length);
      },
    ),
  );
});

test('a flood is pushed back, and there is room again when requests end', () => {
  const pressure = createPressure({ inFlightRequestsMax: 2, inFlightBytesMax: 100 });
  const leave = pressure.enter(500);
  assert.ok(leave, 'a large request gets in alone');
  assert.equal(pressure.enter(1), undefined);
  leave();
  const first = pressure.enter(40);
  assert.ok(first && pressure.enter(40));
  assert.equal(pressure.enter(1), undefined, 'two are in');
  first();
  assert.equal(pressure.enter(70), undefined, 'too many bytes');
  assert.ok(pressure.enter(60));
});
