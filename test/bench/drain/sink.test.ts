import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSink } from './sink.ts';

const path = '/0/orders';
const idDigits = 12;

function eventOf(number: number): string {
  return `{"specversion":"1.0","id":"${String(number).padStart(idDigits, '0')}","data":{"id":4711}}`;
}

/** A sink that counts one path, to which a body can be posted. */
async function openSink(window: { warmUpMs: number; measureMs: number; records: number }) {
  const sink = await startSink();
  sink.begin({ path, ...window });
  return {
    look: () => sink.look(path),
    begin: () => sink.begin({ path, ...window }),
    post: async (body: string, to = path) =>
      (await fetch(`${sink.url}${to}`, { method: 'POST', body, headers: { connection: 'close' } })).status,
    [Symbol.asyncDispose]: () => sink.close(),
  };
}

const whole = { warmUpMs: 60_000, measureMs: 60_000, records: 5 };

test('records are counted by the numbers in them, single and in batches', async () => {
  await using sink = await openSink(whole);
  assert.equal(await sink.post(eventOf(7)), 200);
  assert.equal(await sink.post(`[${eventOf(8)},${eventOf(100)}]`), 200);
  const { distinct, repeated, phase } = sink.look();
  assert.deepEqual({ distinct, repeated }, { distinct: { events: 3, idSum: 115 }, repeated: 0 });
  assert.equal(phase, 'warming up');
});

test('a record that comes again is told from a new one', async () => {
  await using sink = await openSink(whole);
  await sink.post(eventOf(7));
  await sink.post(`[${eventOf(7)},${eventOf(8)}]`);
  const { distinct, repeated } = sink.look();
  assert.deepEqual({ distinct, repeated }, { distinct: { events: 2, idSum: 15 }, repeated: 1 });

  sink.begin();
  assert.equal(sink.look().phase, 'waiting');
  assert.equal(await sink.post(eventOf(7)), 200);
  assert.equal(sink.look().repeated, 0);
});

test('a body without records, and a path that nobody counts, are refused', async () => {
  await using sink = await openSink(whole);
  assert.equal(await sink.post('{}'), 400);
  assert.equal(await sink.post(eventOf(1), '/0/other'), 400);
  assert.equal(sink.look().distinct.events, 0);
});

test('measuring begins after the warm-up and ends with the last record', async () => {
  await using sink = await openSink({ warmUpMs: 0, measureMs: 60_000, records: 5 });
  await sink.post(`[${eventOf(1)},${eventOf(2)}]`);
  assert.equal(sink.look().phase, 'measuring');
  await sink.post(`[${eventOf(3)},${eventOf(4)},${eventOf(5)}]`);
  const { phase, measured } = sink.look();
  assert.equal(phase, 'measured');
  assert.equal(measured.records, 3);
  assert.ok(measured.ms > 0);
});
