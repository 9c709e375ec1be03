import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { context } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { setUpOpenTelemetry } from '../../test/support/open-telemetry.ts';
import { createBatcher } from '../ingest/batcher.ts';
import { openTelemetry } from './telemetry.ts';

const spans = new InMemorySpanExporter();
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
// Opened before the SDK, as an app may load the two in either order.
const telemetry = openTelemetry('test');
const { meterProvider } = setUpOpenTelemetry({ spans, metrics, exportIntervalMs: 3_600_000 });

beforeEach(() => spans.reset());
after(() => meterProvider.shutdown());

const traceId = '0af7651916cd43dd8448eb211c80319c';
const caller = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };

/** The span of a name that ended in this test. */
function spanOf(name: string) {
  const [found, ...others] = spans.getFinishedSpans().filter((span) => span.name === name);
  assert.ok(found !== undefined && others.length === 0, `one span ${name}`);
  return found;
}

const idOf = (name: string) => spanOf(name).spanContext().spanId;

test('a span belongs to the trace of the caller, and what runs in it are its children', async () => {
  const answer = await telemetry.span(
    'outer',
    { source: 'orders' },
    async () => {
      await Promise.resolve();
      return telemetry.span('inner', {}, async () => 42, {
        traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
      });
    },
    caller,
  );
  assert.equal(answer, 42);
  assert.equal(spanOf('outer').parentSpanContext?.spanId, 'b7ad6b7169203331');
  assert.equal(spanOf('outer').spanContext().traceId, traceId);
  assert.deepEqual(spanOf('outer').attributes, { source: 'orders' });
  assert.equal(spanOf('inner').parentSpanContext?.spanId, idOf('outer'), 'a span under way counts first');
});

test('a caller that names no trace begins one', async () => {
  await telemetry.span('root', {}, async () => undefined, { traceparent: 'none', tracestate: '' });
  assert.equal(spanOf('root').parentSpanContext, undefined);
});

test('work that throws, or says so, makes a failed span', async () => {
  await assert.rejects(
    telemetry.span('thrown', {}, () => Promise.reject(new Error('away'))),
    /away/,
  );
  await telemetry.span('said', {}, async (fail) => fail('kafka-rest.failed'));
  await telemetry.span('fine', {}, async () => undefined);
  assert.deepEqual(
    ['thrown', 'said', 'fine'].map((name) => spanOf(name).status.code),
    [2, 2, 0],
  );
  assert.equal(spanOf('thrown').events[0]?.name, 'exception');
  assert.equal(spanOf('said').status.message, 'kafka-rest.failed');
});

test('a call for several requests stands in the trace of its first one and is linked to the others', async () => {
  const clock = createManualClock();
  const pending: (() => void)[] = [];
  const batch = createBatcher<string>({
    clock,
    telemetry,
    limits: { lingerMs: 5, batchRecordsMax: 10, batchBytesMax: 1_000, callsMax: 1 },
    carry: (_topic, records) =>
      telemetry.span(`call with ${records.length}`, {}, async () => {
        await new Promise<void>((resolve) => pending.push(resolve));
        return records.map(() => 'kept');
      }),
  });
  const request = (name: string, count: number) =>
    telemetry.span(name, {}, () =>
      batch(
        'orders',
        Array.from({ length: count }, () => ({ value: name })),
      ),
    );
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  const first = request('first', 1);
  await settled();
  const others = Promise.all([request('second', 2), request('third', 1)]);
  await settled();
  // The end of the first call is the occasion for the second, which is not of its trace.
  pending[0]?.();
  await first;
  await settled();
  pending[1]?.();
  await others;

  assert.equal(spanOf('call with 1').parentSpanContext?.spanId, idOf('first'));
  assert.deepEqual(spanOf('call with 1').links, []);
  assert.equal(spanOf('call with 3').parentSpanContext?.spanId, idOf('second'));
  assert.deepEqual(
    spanOf('call with 3').links.map((link) => link.context.spanId),
    [idOf('third')],
    'each other request once',
  );
});

test('links are for one span only, and work for nobody in a trace simply runs', async () => {
  const points = await Promise.all(
    ['one', 'two'].map((name) => telemetry.span(name, {}, async () => telemetry.here())),
  );
  await telemetry.onBehalfOf(points, () =>
    telemetry.span('joint', {}, () => telemetry.span('within', {}, async () => undefined)),
  );
  assert.equal(spanOf('joint').links.length, 1);
  assert.equal(spanOf('within').links.length, 0);
  assert.equal(
    telemetry.onBehalfOf([context.active()], () => 'done'),
    'done',
  );
});

/** What the SDK has been given for an instrument. */
async function metricOf(name: string) {
  await meterProvider.forceFlush();
  const [found, ...others] = metrics
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .filter(({ descriptor }) => descriptor.name === name);
  assert.ok(found !== undefined && others.length === 0, `one metric ${name}`);
  metrics.reset();
  const points = found.dataPoints.map(({ attributes, value }): { attributes: object; value: unknown } => ({
    attributes,
    value,
  }));
  return { unit: found.descriptor.unit, points };
}

test('counters add up by their attributes', async () => {
  telemetry.count('test.events', 2, { reason: 'a' });
  telemetry.count('test.events', 3, { reason: 'a' });
  telemetry.count('test.events', 1, { reason: 'b' });
  assert.deepEqual((await metricOf('test.events')).points, [
    { attributes: { reason: 'a' }, value: 5 },
    { attributes: { reason: 'b' }, value: 1 },
  ]);
});

test('durations are kept in seconds, in buckets that tell five milliseconds from ten seconds', async () => {
  for (const ms of [4, 40, 12_000]) telemetry.duration('test.duration', ms);
  const { unit, points } = await metricOf('test.duration');
  assert.equal(unit, 's');
  const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
  const counts = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  assert.partialDeepStrictEqual(points, [
    { value: { count: 3, min: 0.004, max: 12, buckets: { boundaries, counts } } },
  ]);
});

test('a histogram of numbers says of what', async () => {
  for (const value of [5, 7]) telemetry.record('test.records', '{record}', value, { topic: 'orders' });
  const { unit, points } = await metricOf('test.records');
  assert.equal(unit, '{record}');
  assert.partialDeepStrictEqual(points, [{ attributes: { topic: 'orders' }, value: { count: 2, sum: 12 } }]);
});
