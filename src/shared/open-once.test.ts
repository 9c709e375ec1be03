import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openOnce } from './open-once.ts';

test('what is asked for by many is opened once, and not before it is asked for', async () => {
  let openings = 0;
  const get = openOnce(async () => {
    openings += 1;
    return { openings };
  });
  assert.equal(openings, 0);
  const [one, two] = await Promise.all([get(), get()]);
  assert.equal(one, two);
  assert.equal(await get(), one);
  assert.equal(openings, 1);
});

test('what could not be opened is tried again by whoever asks next', async () => {
  let openings = 0;
  const get = openOnce(async () => {
    openings += 1;
    if (openings === 1) throw new Error('storage is away');
    return 'open';
  });
  await assert.rejects(Promise.all([get(), get()]), /storage is away/);
  assert.equal(await get(), 'open');
  assert.equal(openings, 2);
});
