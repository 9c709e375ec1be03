import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KafkaRest } from './client.ts';
import { KafkaRestError, type KafkaRestErrorCode } from './errors.ts';
import { createRecordLog } from './record-log.ts';

/** A log whose metadata calls all fail. */
function logThatFails(code: KafkaRestErrorCode) {
  const fail = () =>
    Promise.reject(new KafkaRestError({ code, message: code, retryable: true, notTaken: true }));
  const client: KafkaRest = {
    listBrokers: fail,
    listTopics: fail,
    listPartitions: fail,
    getPartition: fail,
    createTopic: fail,
    produce: fail,
    consume: fail,
    waitUntilListed: fail,
  };
  return createRecordLog(client);
}

test('a topic or a partition that does not exist is told from one that could not be asked for', async () => {
  const missing = logThatFails('kafka-rest.not-found');
  assert.equal(await missing.partitions('orders'), undefined);
  assert.equal(await missing.partition('orders', 7), undefined);
  const away = logThatFails('kafka-rest.unreachable');
  await assert.rejects(away.partitions('orders'), { code: 'kafka-rest.unreachable' });
  await assert.rejects(away.partition('orders', 7), { code: 'kafka-rest.unreachable' });
});
