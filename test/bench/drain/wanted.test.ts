import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/load.ts';
import { bridgeConfigOf, casesOf, type DrainCase, nameOf, orderings } from './cases.ts';
import type { Comparison } from './compare.ts';
import { comparisonJson } from './report.ts';
import { judge } from './wanted.ts';

function rowOf(chosen: Partial<DrainCase>, figures: Partial<Comparison> = {}): Comparison {
  const one = { ordering: 'key', batch: 1, sinkMs: 50, maxInFlight: 16, connectionsMax: 192 } as const;
  return { ...one, bridge: 2_800, ceiling: 3_500, seed: 20, tableWritesPer1000: 1.5, ...chosen, ...figures };
}

test('each wanted figure is told with what it came to', () => {
  assert.deepEqual(judge([rowOf({})]), [
    { met: true, text: 'key, single, 50 ms: bridge / ceiling: wanted >= 0.8x: 0.80x - met' },
    { met: true, text: 'key, single, 50 ms: bridge / seed: wanted >= 100.0x: 140.00x - met' },
    { met: true, text: 'key, single, 50 ms: table writes per 1,000 records: wanted <= 2.0: 1.50 - met' },
  ]);
  const slow = { bridge: 900, ceiling: 1_200, seed: 200, tableWritesPer1000: 2.1 };
  assert.deepEqual(judge([rowOf({ ordering: 'partition', batch: 100, sinkMs: 0 }, slow)]), [
    { met: false, text: 'partition, batches of 100, 0 ms: bridge / ceiling: wanted >= 0.8x: 0.75x - missed' },
    { met: false, text: 'partition, batches of 100, 0 ms: bridge / seed: wanted >= 5.0x: 4.50x - missed' },
    {
      met: false,
      text: 'partition, batches of 100, 0 ms: table writes per 1,000 records: wanted <= 2.0: 2.10 - missed',
    },
  ]);
});

test('of strict order with one record at a time nothing is wanted', () => {
  assert.deepEqual(judge([rowOf({ ordering: 'partition' })]), []);
});

test('programs are told records a second', () => {
  assert.equal(
    comparisonJson([rowOf({}, { bridge: 2_800.04 })]),
    '{"bench":"drain","runs":[{"ordering":"key","batch":1,"sinkMs":50,"bridge":2800,"ceiling":3500,"seed":20,"tableWritesPer1000":1.5}]}',
  );
});

test('every ordering is measured single and batched at both latencies, with a configuration that the bridge takes', () => {
  const cases = casesOf(orderings);
  assert.equal(cases.length, 3 * 2 * 2);
  const names = ['URL', 'TENANT_ID', 'CLIENT_ID', 'CLIENT_SECRET', 'AUTHORITY'];
  const settings = Object.fromEntries(names.map((name) => [`KAFKA_REST_${name}`, 'https://127.0.0.1/x']));
  const config = parseConfig({
    file: 'bridge.config.json',
    text: bridgeConfigOf(cases, 'http://127.0.0.1:8080'),
    settings: { ...settings, AzureWebJobsStorage: 'UseDevelopmentStorage=true' },
  });
  for (const one of cases) {
    const subscription = config.subscriptions[nameOf(one)];
    assert.equal(subscription?.ordering, one.ordering);
    assert.equal(subscription?.endpoint.connectionsMax, one.connectionsMax);
    assert.deepEqual(subscription?.topics, [nameOf(one)]);
  }
});
