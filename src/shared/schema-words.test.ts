import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { schemaWords } from './schema-words.ts';

const schema = z.strictObject({
  name: z.string().min(1).max(3),
  count: z.int().min(1).max(9),
  ratio: z.number().gt(0),
  list: z.array(z.string()).min(1),
  mode: z.enum(['inline', 'queue']),
  auth: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('basic') }),
    z.strictObject({ kind: z.literal('none') }),
  ]),
});
const right = { name: 'a', count: 1, ratio: 1, list: ['a'], mode: 'queue', auth: { kind: 'none' } };

const cases: readonly (readonly [object, string])[] = [
  [{ name: undefined }, 'name: must be given'],
  [{ name: 5 }, 'name: must be a string'],
  [{ name: '' }, 'name: must not be empty'],
  [{ name: 'long' }, 'name: must be at most 3 characters'],
  [{ count: 1.5 }, 'count: must be a whole number'],
  [{ count: 0 }, 'count: must be at least 1'],
  [{ count: 10 }, 'count: must be at most 9'],
  [{ ratio: 0 }, 'ratio: must be more than 0'],
  [{ list: 'a' }, 'list: must be a list'],
  [{ list: [] }, 'list: must not be empty'],
  [{ mode: 'both' }, 'mode: must be one of: inline, queue'],
  [{ auth: null }, 'auth: must be a JSON object'],
  [{ auth: { kind: 'bassic' } }, 'auth.kind: must be one of: basic, none'],
  [{ auth: { kind: 'none', user: 'a' } }, 'auth: takes no "user"; it takes: kind'],
];
for (const [wrong, said] of cases) {
  test(`what would be right is said: ${said}`, () => {
    const { error } = schema.safeParse({ ...right, ...wrong }, { error: schemaWords });
    assert.deepEqual(
      error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`),
      [said],
    );
  });
}
