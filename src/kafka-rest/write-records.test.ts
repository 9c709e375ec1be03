import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../shared/log.ts';
import type { ProduceOutcome } from './answers.ts';
import type { KafkaRest } from './client.ts';
import { KafkaRestError, type KafkaRestErrorCode } from './errors.ts';
import type { ProduceRecord } from './requests.ts';
import { createTopicCreation } from './topic-creation.ts';
import { createWriteRecords } from './write-records.ts';

function error(code: KafkaRestErrorCode, proxyCode?: number) {
  const status = code === 'kafka-rest.refused' ? 400 : 500;
  return new KafkaRestError({ code, message: code, retryable: false, notTaken: true, proxyCode, status });
}

/** A client whose produce call does what the test says; `topics` are those that exist. */
function clientOf(
  produce: (records: readonly ProduceRecord[]) => ProduceOutcome[],
  topics: string[] = [],
): { client: KafkaRest; calls: number[]; created: string[] } {
  const calls: number[] = [];
  const created: string[] = [];
  const unused = () => assert.fail('not expected');
  const client: KafkaRest = {
    listBrokers: unused,
    listPartitions: unused,
    getPartition: unused,
    consume: unused,
    listTopics: async () => topics,
    createTopic: async (topic) => {
      created.push(topic);
      topics.push(topic);
    },
    waitUntilListed: async (topic) => assert.ok(topics.includes(topic)),
    produce: async (_topic, records) => {
      calls.push(records.length);
      return produce(records);
    },
  };
  return { client, calls, created };
}

const values = (...all: unknown[]) => all.map((value) => ({ value }));

test('a record for which the proxy refuses a whole call fails alone', async () => {
  const { client } = clientOf((records) => {
    if (records.some(({ value }) => value === 'poison')) throw error('kafka-rest.refused');
    return records.map(() => ({ ok: true }));
  });
  const write = createWriteRecords({ client, report: silentLog });
  const outcomes = await write('orders', values(1, 2, 'poison', 4, 5, 6, 7));
  assert.deepEqual(
    outcomes.map((outcome) => outcome.ok),
    [true, true, false, true, true, true, true],
  );
  assert.deepEqual(outcomes[2], {
    ok: false,
    code: 'kafka-rest.refused',
    message: 'kafka-rest.refused',
    lasting: true,
    away: false,
  });
});

test('where a call is taken apart, no record is written before one that is to be tried again', async () => {
  const written: unknown[] = [];
  const { client } = clientOf((records) => {
    if (records.some(({ value }) => value === 'poison')) throw error('kafka-rest.refused');
    if (records.some(({ value }) => value === 'unlucky')) throw error('kafka-rest.failed');
    written.push(...records.map(({ value }) => value));
    return records.map(() => ({ ok: true }));
  });
  const write = createWriteRecords({ client, report: silentLog });
  const outcomes = await write('orders', values(1, 2, 'unlucky', 4, 'poison', 6));
  assert.deepEqual(written, []);
  assert.deepEqual(
    outcomes.map((outcome) => !outcome.ok && outcome.lasting),
    [false, false, false, false, false, false],
  );

  const later = await write('orders', values(1, 'poison', 'unlucky', 4));
  assert.deepEqual(written, [1]);
  assert.deepEqual(
    later.map((outcome) => outcome.ok || outcome.code),
    [true, 'kafka-rest.refused', 'kafka-rest.failed', 'kafka-rest.failed'],
  );
});

test('a failure that any other record would meet as well says so', async () => {
  const away = async (code: KafkaRestErrorCode) => {
    const { client } = clientOf(() => {
      throw error(code);
    });
    const [outcome] = await createWriteRecords({ client, report: silentLog })('orders', values(1));
    return outcome?.ok === false && outcome.away;
  };
  for (const code of ['unreachable', 'unauthorized', 'forbidden', 'throttled'] as const) {
    assert.equal(await away(`kafka-rest.${code}`), true, code);
  }
  for (const code of ['not-found', 'failed', 'unreadable'] as const) {
    assert.equal(await away(`kafka-rest.${code}`), false, code);
  }
});

test('failures that time may mend are told from those that last', async () => {
  const lasting = async (code: KafkaRestErrorCode) => {
    const { client } = clientOf(() => {
      throw error(code);
    });
    const [outcome] = await createWriteRecords({ client, report: silentLog })('orders', values(1));
    return outcome?.ok === false && outcome.lasting;
  };
  assert.equal(await lasting('kafka-rest.not-found'), true);
  assert.equal(await lasting('kafka-rest.unreachable'), false);
  assert.equal(await lasting('kafka-rest.forbidden'), false, 'an operator can mend it');

  const { client } = clientOf(() => [
    { ok: false, error: error('kafka-rest.record-failed', 10) },
    { ok: false, error: error('kafka-rest.record-failed', 7) },
    { ok: true, partition: 0, offset: 5n },
  ]);
  const outcomes = await createWriteRecords({ client, report: silentLog })('orders', values(1, 2, 3));
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.lasting)),
    [true, false, 'ok'],
  );
});

test('a missing topic is made once for all who write at the same time', async () => {
  const { client, created } = clientOf((records) => records.map(() => ({ ok: true })));
  const creation = createTopicCreation({
    client,
    topics: new Set(['orders']),
    settings: { partitions: 3, listedWithinMs: 1000 },
  });
  const write = createWriteRecords({ client, creation, report: silentLog });
  await Promise.all([write('orders', values(1)), write('orders', values(2)), write('orders', values(3))]);
  assert.deepEqual(created, ['orders']);
});

test('a topic that was deleted since is made again', async () => {
  const topics = ['orders'];
  const { client, created } = clientOf((records) => {
    if (!topics.includes('orders')) throw error('kafka-rest.not-found');
    return records.map(() => ({ ok: true }));
  }, topics);
  const creation = createTopicCreation({
    client,
    topics: new Set(['orders']),
    settings: { listedWithinMs: 1000 },
  });
  const write = createWriteRecords({ client, creation, report: silentLog });
  await write('orders', values(1));
  topics.length = 0;
  assert.deepEqual(await write('orders', values(2)), [{ ok: true }]);
  assert.deepEqual(created, ['orders']);
});

test('a topic that cannot be made fails with the reason, at once', async () => {
  const { client } = clientOf(() => assert.fail('there is no topic to produce to'));
  client.createTopic = async () => {
    throw error('kafka-rest.refused', 38);
  };
  client.waitUntilListed = () => assert.fail('nothing is to be waited for');
  const creation = createTopicCreation({
    client,
    topics: new Set(['orders']),
    settings: { listedWithinMs: 1000 },
  });
  const [outcome] = await createWriteRecords({ client, creation, report: silentLog })('orders', values(1));
  assert.equal(outcome?.ok === false && outcome.code, 'kafka-rest.refused');
});

test('a topic that only a template names is not made by whoever sends', async () => {
  const { client, created } = clientOf(() => {
    throw error('kafka-rest.not-found');
  });
  const creation = createTopicCreation({
    client,
    topics: new Set(['orders']),
    settings: { listedWithinMs: 1000 },
  });
  const [outcome] = await createWriteRecords({ client, creation, report: silentLog })(
    'orders.stranger',
    values(1),
  );
  assert.equal(outcome?.ok === false && outcome.lasting, true);
  assert.deepEqual(created, []);
});
