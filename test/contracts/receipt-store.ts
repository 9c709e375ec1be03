import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReceiptStore } from '../../src/ingest/receipts.ts';

const nowMs = 1_795_000_000_000;
const receipt = {
  outcome: { status: 202, events: [{ id: 'e1', offset: '9007199254740993' }] },
  expiresAtMs: nowMs + 100,
};

/** What every receipt store promises; `makeStore` gives an empty one. */
export function describeReceiptStore(name: string, makeStore: () => Promise<ReceiptStore>): void {
  test(`${name}: a receipt is found until it expires`, async () => {
    const store = await makeStore();
    assert.equal(await store.find('github', 'e1', nowMs), undefined);
    assert.equal(await store.save('github', 'e1', receipt, nowMs), true);
    assert.deepEqual(await store.find('github', 'e1', nowMs + 99), receipt);
    assert.equal(await store.find('github', 'e1', nowMs + 100), undefined);
  });

  test(`${name}: of receipts for the same id the first stays, and the others are told`, async () => {
    const store = await makeStore();
    const saved = await Promise.all(
      [1, 2, 3].map((outcome) => store.save('github', 'e1', { outcome, expiresAtMs: nowMs + 100 }, nowMs)),
    );
    assert.deepEqual([...saved].sort(), [false, false, true]);
    const first = saved.indexOf(true) + 1;
    assert.equal(await store.save('github', 'e1', { outcome: 4, expiresAtMs: nowMs + 900 }, nowMs), false);
    assert.deepEqual(await store.find('github', 'e1', nowMs), { outcome: first, expiresAtMs: nowMs + 100 });
  });

  test(`${name}: an expired receipt gives way to a new one, once`, async () => {
    const store = await makeStore();
    await store.save('github', 'e1', receipt, nowMs);
    const laterMs = nowMs + 100;
    const saved = await Promise.all(
      [1, 2].map((outcome) => store.save('github', 'e1', { outcome, expiresAtMs: laterMs + 1 }, laterMs)),
    );
    assert.deepEqual([...saved].sort(), [false, true]);
    const found = await store.find('github', 'e1', laterMs);
    assert.deepEqual(found?.outcome, saved.indexOf(true) + 1);
  });

  test(`${name}: ids may hold anything, and each source has its own`, async () => {
    const store = await makeStore();
    const ids = [
      '',
      'a/b',
      'a\\b',
      '#?%',
      '\u0000\n',
      'ü🚀',
      'E1',
      'e1',
      'x'.repeat(100_000),
      `${'x'.repeat(100_000)}y`,
    ];
    for (const [index, id] of ids.entries()) {
      assert.equal(
        await store.save('github', id, { ...receipt, outcome: index }, nowMs),
        true,
        id.slice(0, 9),
      );
    }
    for (const [index, id] of ids.entries()) {
      assert.equal((await store.find('github', id, nowMs))?.outcome, index);
      assert.equal(await store.find('stripe', id, nowMs), undefined);
    }
  });

  test(`${name}: an outcome may be larger than a property of a table`, async () => {
    const store = await makeStore();
    const outcome = Array.from({ length: 20_000 }, (_, index) => ({ id: `event-${index * 7919}`, ok: true }));
    await store.save('github', 'batch', { ...receipt, outcome }, nowMs);
    assert.deepEqual((await store.find('github', 'batch', nowMs))?.outcome, outcome);
  });

  test(`${name}: a sweep deletes expired receipts only, as many as it may, and the next one goes on`, async () => {
    const store = await makeStore();
    assert.equal(await store.sweep(nowMs, 10), 0, 'nothing was ever saved');
    for (let index = 0; index < 7; index += 1) {
      await store.save(`s${index % 2}`, `old-${index}`, { outcome: 1, expiresAtMs: nowMs }, nowMs - 1);
      await store.save(`s${index % 2}`, `new-${index}`, { outcome: 1, expiresAtMs: nowMs + 1 }, nowMs - 1);
    }
    assert.equal(await store.sweep(nowMs, 3), 3);
    assert.equal(await store.sweep(nowMs, 3), 3);
    assert.equal(await store.sweep(nowMs, 3), 1);
    assert.equal(await store.sweep(nowMs, 3), 0);
    for (let index = 0; index < 7; index += 1) {
      assert.equal((await store.find(`s${index % 2}`, `new-${index}`, nowMs))?.outcome, 1);
    }
    assert.equal(await store.sweep(nowMs + 1, 100), 7, 'and begins anew at the end');
  });
}
