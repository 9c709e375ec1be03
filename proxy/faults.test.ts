import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFaults, type FaultRule } from './faults.ts';
import { openTestProxy } from './test-proxy.ts';

const produce = '/v1/producer/topics/orders';
const topics = '/v1/metadata/topics';
const one = { records: [{ value: 'a' }] };

async function openFaulty(...rules: FaultRule[]) {
  const faults = createFaults();
  const proxy = await openTestProxy({ faults });
  await proxy.call('PUT', '/v1/topics/orders');
  faults.set(rules);
  const latest = () => proxy.log.range('orders', 0).latest;
  return Object.assign(proxy, { faults, latest });
}

/** Resolves when the proxy under test has begun to sleep. */
async function untilSleeping(clock: { pendingSleeps(): number }): Promise<void> {
  while (clock.pendingSleeps() === 0) await new Promise((resolve) => setImmediate(resolve));
}

test('a status is answered as often as told, with Retry-After, and nothing is done', async () => {
  await using proxy = await openFaulty({ operation: 'produce', status: 429, retryAfterSeconds: 7, times: 2 });
  for (const expected of [429, 429, 200]) {
    const { status, headers, json } = await proxy.call('POST', produce, one);
    assert.equal(status, expected);
    assert.equal(headers.get('retry-after'), expected === 429 ? '7' : null);
    if (expected === 429) assert.equal((json as { error_code: number }).error_code, 429);
  }
  assert.equal(proxy.latest(), 1n);
  assert.equal(proxy.faults.list()[0]?.hits, 2);
});

test('a rule hits only its operation and topic', async () => {
  await using proxy = await openFaulty({ operation: 'produce', topic: 'other', status: 500 });
  assert.equal((await proxy.call('POST', produce, one)).status, 200);
  proxy.faults.set([{ operation: 'metadata', status: 500 }]);
  assert.equal((await proxy.call('POST', produce, one)).status, 200);
  assert.equal((await proxy.call('GET', topics)).status, 500);
  proxy.faults.set([{ operation: 'createTopic', topic: 'new', status: 500 }]);
  assert.equal((await proxy.call('PUT', '/v1/topics/new')).status, 500);
  proxy.faults.set([{ operation: 'consume', topic: 'orders', status: 500 }]);
  const consumed = await proxy.call('GET', '/v1/consumer/topics/orders/partitions/0/offsets/0');
  assert.equal(consumed.status, 500);
});

test('a connection dropped before leaves no record, one dropped after leaves it without an answer', async () => {
  await using proxy = await openFaulty({ drop: 'before', times: 1 }, { drop: 'after', times: 1 });
  await assert.rejects(proxy.call('POST', produce, one));
  assert.equal(proxy.latest(), 0n);
  await assert.rejects(proxy.call('POST', produce, one));
  assert.equal(proxy.latest(), 1n);
  assert.equal((await proxy.call('POST', produce, one)).status, 200);
});

test('a record error is reported inside a 200 for the records it names, and they are not appended', async () => {
  await using proxy = await openFaulty({
    recordError: { errorCode: 10, message: 'too "big"', valueIncludes: 'b' },
  });
  const { status, json } = await proxy.call('POST', produce, {
    records: [{ value: 'a' }, { value: 'b' }, { value: 'c' }],
  });
  assert.equal(status, 200);
  assert.deepEqual(json, {
    offsets: [
      { partition: 0, offset: 0, error_code: null, error: null },
      { partition: null, offset: null, error_code: 10, error: 'too "big"' },
      { partition: 0, offset: 1, error_code: null, error: null },
    ],
  });
  proxy.faults.set([{ recordError: { errorCode: 10, message: 'all' } }]);
  await proxy.call('POST', produce, one);
  assert.deepEqual(
    proxy.log.allRecords('orders').map(({ value }) => value),
    ['a', 'c'],
  );
});

test('latency passes by the clock before the call is carried out', async () => {
  await using proxy = await openFaulty({ operation: 'produce', latencyMs: 5000 });
  const answer = proxy.call('POST', produce, one);
  await untilSleeping(proxy.clock);
  await proxy.clock.advance(4999);
  assert.equal(proxy.latest(), 0n);
  await proxy.clock.advance(1);
  assert.equal((await answer).status, 200);
});

test('closing the proxy ends calls that are held back at once', { timeout: 3000 }, async () => {
  const proxy = await openFaulty({ stall: 'after', times: 1 }, { latencyMs: 1e5 });
  const stalled = assert.rejects(proxy.call('POST', produce, one));
  while (proxy.latest() === 0n) await new Promise((resolve) => setImmediate(resolve));
  const slow = assert.rejects(proxy.call('POST', produce, one));
  await untilSleeping(proxy.clock);
  await proxy.close();
  await Promise.all([stalled, slow]);
});

test('a stalled call ends when the client gives up', async () => {
  await using proxy = await openFaulty({ stall: 'before', times: 1 });
  const giveUp = new AbortController();
  const stalled = fetch(`${proxy.url}${produce}`, {
    method: 'POST',
    body: JSON.stringify(one),
    signal: giveUp.signal,
  });
  while (proxy.faults.list()[0]?.hits === 0) await new Promise((resolve) => setImmediate(resolve));
  giveUp.abort();
  await assert.rejects(stalled, { name: 'AbortError' });
  assert.equal((await proxy.call('POST', produce, one)).status, 200);
  assert.equal(proxy.latest(), 1n);
});

test('rules are set, listed and removed over HTTP', async () => {
  await using proxy = await openFaulty();
  const control = '/control/faults';
  const rule = { operation: 'metadata', status: 503 };
  assert.deepEqual((await proxy.call('PUT', control, { rules: [rule] })).json, {
    rules: [{ ...rule, hits: 0 }],
  });
  assert.equal((await proxy.call('GET', topics)).status, 503);
  assert.deepEqual((await proxy.call('GET', control)).json, { rules: [{ ...rule, hits: 1 }] });
  assert.deepEqual((await proxy.call('DELETE', control)).json, { rules: [] });
  assert.equal((await proxy.call('GET', topics)).status, 200);

  const wrong = await proxy.call('PUT', control, { rules: [{ status: 200, drop: 'now', latency: 5 }] });
  assert.equal(wrong.status, 400);
  assert.match(wrong.text, /rules\[0\].status.*rules\[0\].drop.*latency/);
});
