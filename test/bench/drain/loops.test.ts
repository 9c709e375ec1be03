import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLogProxy } from './log-proxy.ts';
import { runPostLoop } from './post-loop.ts';
import { kilobyteValues } from './record-pages.ts';
import { runSeedLoop } from './seed-loop.ts';
import { startSink } from './sink.ts';
import { createStandingTopic } from './standing-topic.ts';

const path = '/0/loop';
const records = 60;

async function openSink() {
  const sink = await startSink();
  sink.begin({ path, warmUpMs: 0, measureMs: 60_000, records });
  return { sink, url: `${sink.url}${path}`, [Symbol.asyncDispose]: () => sink.close() };
}

for (const batch of [1, 25]) {
  test(`the bare loop posts every record once, ${batch} in a request`, async () => {
    await using world = await openSink();
    const loop = { url: world.url, batch, maxInFlight: 1, connectionsMax: 4, records, ms: 60_000 };
    const acknowledged = await runPostLoop(loop);
    assert.deepEqual(acknowledged, { events: records, idSum: (records * (records - 1)) / 2 });
    const { distinct, repeated } = world.sink.look(path);
    assert.deepEqual({ distinct, repeated }, { distinct: acknowledged, repeated: 0 });
  });
}

test("the seed's loop brings a topic from its beginning to its end, each record once", async () => {
  await using world = await openSink();
  const topic = createStandingTopic(kilobyteValues);
  topic.append(records);
  const proxy = await startLogProxy(new Map([['orders', topic]]));
  const seed = { proxyUrl: proxy.url, topic: 'orders', url: world.url, ms: 60_000 };
  const result = await runSeedLoop(seed).finally(() => proxy.close());
  assert.equal(result.records, records);
  const { distinct, repeated } = world.sink.look(path);
  assert.deepEqual(
    { ...distinct, repeated },
    { events: records, idSum: (records * (records - 1)) / 2, repeated: 0 },
  );
});

test('an answer other than 200 ends a loop', async () => {
  await using world = await openSink();
  const loop = { batch: 1, maxInFlight: 1, connectionsMax: 1, records, ms: 60_000 };
  await assert.rejects(runPostLoop({ ...loop, url: `${world.sink.url}/0/other` }), {
    code: 'bench.refused',
    message: /200.*400/,
  });
});
