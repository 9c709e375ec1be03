import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKafkaRest } from '../../../src/kafka-rest/client.ts';
import { systemClock as clock, systemRandom as random } from '../../../src/shared/clock.ts';
import { createHttpPool } from '../../../src/shared/http.ts';
import { benchTopic, startSlowProxy } from './slow-proxy.ts';

test('the client of the bridge can produce to it, and each record is counted', async () => {
  await using parts = new AsyncDisposableStack();
  const proxy = await startSlowProxy({ clock, callMs: 0, callsMax: 1 });
  parts.defer(() => proxy.close());
  const pool = createHttpPool({ clock, connectionsMax: 4, connectTimeoutMs: 1_000, answerBytesMax: 65_536 });
  parts.defer(() => pool.close());
  const tokens = { current: async () => 'token', replace: async () => 'token' };
  const client = createKafkaRest({
    url: proxy.url,
    tokens,
    send: pool.send,
    clock,
    random,
    timeoutMs: 5_000,
  });

  assert.deepEqual(await client.listTopics(), [benchTopic]);
  const records = [1, 20, 300].map((id) => ({ value: { id: String(id).padStart(12, '0') } }));
  const outcomes = await Promise.all(records.map((record) => client.produce(benchTopic, [record, record])));
  assert.deepEqual(
    outcomes.flat().map((outcome) => outcome.ok),
    [true, true, true, true, true, true],
  );
  assert.deepEqual(await (await fetch(`${proxy.url}/tally`)).json(), { events: 6, idSum: 642 });
  const [partition] = await client.listPartitions(benchTopic);
  assert.equal(partition?.latestOffset, 6n);
  await assert.rejects(client.produce('other', []), { code: 'kafka-rest.not-found' });
});
