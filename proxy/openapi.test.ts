import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFaults } from './faults.ts';
import { createOpenApiDocument } from './openapi.ts';
import { openTestProxy } from './test-proxy.ts';

const contract = [
  'get /v1/metadata/brokers',
  'get /v1/metadata/topics',
  'get /v1/metadata/topics/{topic}/partitions',
  'get /v1/metadata/topics/{topic}/partitions/{partition}',
  'put /v1/topics/{topic}',
  'post /v1/producer/topics/{topic}',
  'get /v1/consumer/topics/{topic}/partitions/{partition}/offsets/{offset}',
  'get /openapi.json',
];
const control = ['get /control/faults', 'put /control/faults', 'delete /control/faults'];

function operationsOf(document: { paths: object }): string[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );
}

test('the document describes the whole contract, and the control interface where it is open', () => {
  assert.deepEqual(operationsOf(createOpenApiDocument({ hasControl: false })), contract);
  assert.deepEqual(operationsOf(createOpenApiDocument({ hasControl: true })), [...contract, ...control]);
});

test('every operation described is served', async () => {
  await using proxy = await openTestProxy({ faults: createFaults() });
  const { json } = await proxy.call('GET', '/openapi.json');
  for (const operation of operationsOf(json as { paths: object })) {
    const [method = '', path = ''] = operation.split(' ');
    const called = path.replaceAll('{topic}', 'orders').replaceAll(/\{.*?\}/g, '0');
    const { status, json } = await proxy.call(method.toUpperCase(), called);
    const { error_code } = Object(json);
    assert.ok(status !== 405 && error_code !== 404, `${operation}: ${status}`);
  }
});

test('every reference in the document leads somewhere', () => {
  const document = createOpenApiDocument({ hasControl: true });
  const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g) ?? [];
  assert.ok(references.length > 20);
  for (const reference of references) {
    assert.ok(Object.hasOwn(document.components.schemas, reference.split('/').at(-1) ?? ''), reference);
  }
});
