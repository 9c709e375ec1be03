import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../shared/json.ts';
import type { CloudEvent } from './cloud-event.ts';
import { compileFilter, describeMismatch, type EventFilter } from './filter.ts';

const event: CloudEvent = {
  specversion: '1.0',
  id: '1',
  source: '/shop/orders',
  type: 'com.example.order.created',
  subject: 'order-7',
  priority: 3,
  data: parseJson(
    '{"state":"open","lines":[{"sku":"A-1"}],"total":9007199254740993,"paid":false,"note":null}',
  ),
};

function whyNot(filter: EventFilter): string | undefined {
  const mismatch = compileFilter(filter)(event);
  return mismatch && describeMismatch(mismatch);
}

test('each dialect selects as the specification says', () => {
  const cases: [EventFilter, boolean][] = [
    [{ exact: { type: 'com.example.order.created' } }, true],
    [{ exact: { type: 'com.example.order.Created' } }, false],
    [{ exact: { type: 'com.example.order.created', subject: 'order-8' } }, false],
    [{ prefix: { type: 'com.example.' } }, true],
    [{ prefix: { source: '/other' } }, false],
    [{ suffix: { type: '.created' } }, true],
    [{ suffix: { type: '.deleted' } }, false],
    [{ all: [{ prefix: { type: 'com.' } }, { suffix: { subject: '7' } }] }, true],
    [{ all: [{ prefix: { type: 'com.' } }, { suffix: { subject: '8' } }] }, false],
    [{ any: [{ exact: { subject: 'x' } }, { exact: { subject: 'order-7' } }] }, true],
    [{ any: [{ exact: { subject: 'x' } }, { exact: { subject: 'y' } }] }, false],
    [{ not: { exact: { subject: 'order-7' } } }, false],
    [{ exact: { tenant: 'a' } }, false],
    [{ not: { exact: { tenant: 'a' } } }, true],
    [{ exact: { priority: '3' } }, true],
  ];
  for (const [filter, expected] of cases) {
    assert.equal(compileFilter(filter)(event) === undefined, expected, JSON.stringify(filter));
  }
});

test('a name that begins with a slash looks into the data, where scalars count as their text', () => {
  const cases: [EventFilter, boolean][] = [
    [{ exact: { '/state': 'open' } }, true],
    [{ prefix: { '/lines/0/sku': 'A-' } }, true],
    [{ exact: { '/total': '9007199254740993' } }, true],
    [{ exact: { '/total': '9007199254740992' } }, false],
    [{ exact: { '/paid': 'false' } }, true],
    [{ exact: { '/note': 'null' } }, false],
    [{ exact: { '/lines': '[object Object]' } }, false],
    [{ all: [{ exact: { type: 'com.example.order.created', '/state': 'open' } }] }, true],
  ];
  for (const [filter, expected] of cases) {
    assert.equal(compileFilter(filter)(event) === undefined, expected, JSON.stringify(filter));
  }
});

test('a filter that does not fit says what it wanted and what it got', () => {
  assert.equal(
    whyNot({ all: [{ prefix: { type: 'com.' } }, { suffix: { subject: '-8' } }] }),
    'subject must end with "-8", but is "order-7"',
  );
  assert.equal(whyNot({ exact: { '/missing/here': 'x' } }), '/missing/here must be "x", but is missing');
  assert.equal(
    whyNot({ any: [{ exact: { type: 'a' } }, { prefix: { '/state': 'c' } }] }),
    'none holds: type must be "a", but is "com.example.order.created"; /state must begin with "c", but is "open"',
  );
  assert.equal(
    whyNot({ not: { exact: { subject: 'order-7' } } }),
    'must not fit {"exact":{"subject":"order-7"}}',
  );
});

test('a filter of any shape agrees with a plain reading of the dialects', () => {
  const text = fc.constantFrom('a', 'b', 'ab', 'ba', '');
  const values = fc.dictionary(fc.constantFrom('type', 'subject', 'x', '/k', '/k/0', '/~0'), text, {
    maxKeys: 3,
  });
  const { filter } = fc.letrec<{ filter: EventFilter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      fc.record({ exact: values }),
      fc.record({ prefix: values }),
      fc.record({ suffix: values }),
      fc.record({ all: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ any: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ not: tie('filter') }),
    ),
  }));
  const data = fc.oneof(fc.jsonValue(), fc.record({ k: fc.oneof(text, fc.array(text)), '~': text }));
  fc.assert(
    fc.property(filter, text, data, (given, subject, content) => {
      const tried: CloudEvent = {
        specversion: '1.0',
        id: '1',
        source: '/s',
        type: 'ab',
        subject,
        data: content,
      };
      assert.equal(compileFilter(given)(tried) === undefined, plainly(given, tried));
    }),
  );
});

/** The dialects read word for word, with the pointers of the property above spelled out. */
function plainly(filter: EventFilter, tried: CloudEvent): boolean {
  const data = tried.data as { k?: unknown; '~'?: unknown } | null;
  const inData = typeof data === 'object' && data !== null && !Array.isArray(data) ? data : {};
  const known: Record<string, unknown> = {
    type: tried.type,
    subject: tried.subject,
    '/k': Object.hasOwn(inData, 'k') ? inData.k : undefined,
    '/k/0': Object.hasOwn(inData, 'k') && Array.isArray(inData.k) ? inData.k[0] : undefined,
    '/~0': Object.hasOwn(inData, '~') ? inData['~'] : undefined,
  };
  const every = (
    values: Readonly<Record<string, string>>,
    fits: (value: string, wanted: string) => boolean,
  ) =>
    Object.entries(values).every(([name, wanted]) => {
      const value = known[name];
      return ['string', 'number', 'boolean'].includes(typeof value) && fits(String(value), wanted);
    });
  if ('exact' in filter) return every(filter.exact, (value, wanted) => value === wanted);
  if ('prefix' in filter) return every(filter.prefix, (value, wanted) => value.startsWith(wanted));
  if ('suffix' in filter) return every(filter.suffix, (value, wanted) => value.endsWith(wanted));
  if ('all' in filter) return filter.all.every((part) => plainly(part, tried));
  if ('any' in filter) return filter.any.some((part) => plainly(part, tried));
  return !plainly(filter.not, tried);
}
