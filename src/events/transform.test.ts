import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../shared/json.ts';
import type { CloudEvent } from './cloud-event.ts';
import { compileTransform, transformLimits } from './transform.ts';

const event: CloudEvent = {
  specversion: '1.0',
  id: '1',
  source: '/shop',
  type: 'order.created',
  dataschema: 'https://example.com/order.json',
  data: parseJson(
    '{"id":9007199254740993,"lines":[{"sku":"a","qty":2},{"sku":"b","qty":3}],"long":0.1234567890123456789}',
  ),
};

/** The event's data after the transform as JSON text, or what else became of it. */
async function transform(expression: string, given = event): Promise<string> {
  const transformed = await (await compileTransform(expression))(given);
  if (transformed.kind === 'event') return JSON.stringify(transformed.event.data);
  return transformed.kind === 'failed' ? transformed.message : transformed.kind;
}

test('the result over the whole event becomes its data, and nothing becomes no event', async () => {
  assert.equal(
    await transform('{"type": type, "pieces": $sum(data.lines.qty), "skus": data.lines.sku}'),
    '{"type":"order.created","pieces":5,"skus":["a","b"]}',
  );
  assert.equal(await transform('data.missing'), 'filtered');
  assert.equal(await transform('null'), 'null');
});

test('what said something of the old data goes, the other attributes stay', async () => {
  const transformed = await (await compileTransform('"x"'))({
    ...event,
    data_base64: 'AAAA',
    datacontenttype: 'text/xml',
    tenant: 't',
  });
  assert.deepEqual(transformed, {
    kind: 'event',
    event: {
      specversion: '1.0',
      id: '1',
      source: '/shop',
      type: 'order.created',
      tenant: 't',
      datacontenttype: 'application/json',
      data: 'x',
    },
  });
});

test('a number that a double cannot hold passes through, and calculating with it fails instead of rounding', async () => {
  const id = '9007199254740993';
  assert.equal(await transform('{"id": data.id, "all": [data.id]}'), `{"id":${id},"all":[${id}]}`);
  assert.equal(await transform('$string(data.id)'), `"${id}"`);
  assert.match(
    await transform('data ~> |$|{"lines":1}|'),
    /"id":9007199254740993.*"long":0\.1234567890123456789/,
  );
  assert.match(await transform('data.id + 1'), /^could not be transformed: .*number/);
});

test('an expression that runs away, and a result that is too large or no JSON, fail', async () => {
  assert.match(await transform('($f := function() { $f() }; $f())'), /more than 100000 steps/);
  assert.match(await transform('($f := function($n) { $f($n + 1) + 1 }; $f(0))'), /Stack overflow/);
  assert.match(await transform('[1..10000000]'), /sequence length/);
  assert.match(await transform(`$pad("", ${transformLimits.resultBytesMax}, "x")`), /at most 1048576 may be/);
  assert.match(await transform('{"a": 1/0}'), /Infinity|out of range/);
  assert.match(await transform('{"f": $sum}'), /holds a function/);
  assert.match(await transform('[function($x) { $x }]'), /holds a function/);
  assert.match(await transform('$error("no such order")'), /no such order/);
});

test('the steps of one event are not counted against another', async () => {
  const run = await compileTransform('$map([1..20000], function($v) { $v * 2 }) ~> $count()');
  for (const { kind } of await Promise.all([run(event), run(event), run(event)])) assert.equal(kind, 'event');
});

test('an expression that does not compile says where', async () => {
  await assert.rejects(compileTransform('data.{'), /SyntaxError: .+ \(at character \d+\)/);
});

test('whatever the data, copying an event changes nothing in it and the input stays as it was', async () => {
  const copy = await compileTransform('{"copied": data}');
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (data) => {
      const before = JSON.stringify(data);
      const transformed = await copy({ ...event, data });
      assert.ok(transformed.kind === 'event');
      assert.equal(JSON.stringify(transformed.event.data), JSON.stringify({ copied: JSON.parse(before) }));
      assert.equal(JSON.stringify(data), before);
    }),
  );
});
