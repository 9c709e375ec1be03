import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Attempt, DeadLetter, DeadLetterState, DeadLetterStore } from '../../src/events/dead-letter.ts';

const letter: DeadLetter = {
  origin: 'ingest:github',
  id: 'delivery/1#?',
  topic: 'orders.v1',
  reason: { code: 'outbox.record-too-large', message: 'record 0 is too large: "größer"' },
  payload: '{"a":9007199254740993,"b":"\u0000\ud800🚀"}',
  atMs: 1_795_000_000_123,
};

const attempt: Attempt = {
  atMs: 1_795_000_000_111,
  latencyMs: 12.5,
  status: 503,
  answer: '"größer\u0000\ud800"',
};
const lost: Attempt = { ...attempt, status: null, answer: 'no answer within 15000 ms' };

/** A record that could not be delivered, and its key. */
const undelivered: DeadLetter = { ...letter, origin: 'audit-2', attempts: [attempt, lost] };
const key = 'Orders.v1_a-b:3:0000000000000000041';

async function keysOf(store: DeadLetterStore, origin: string, state?: DeadLetterState): Promise<string[]> {
  const entries = await store.list(origin, { max: 100, ...(state && { state }) });
  return entries.map((entry) => entry.key);
}

/** Claims a letter, whoever held it, and gives the claim. */
export async function claimOf(store: DeadLetterStore, origin: string, letterKey: string): Promise<string> {
  const claimed = await store.claim(origin, letterKey, { nowMs: Number.MAX_SAFE_INTEGER, untilMs: 0 });
  assert.equal(claimed.outcome, 'claimed');
  return claimed.claim;
}

/** What every store of dead letters promises; `makeStore` gives an empty one. */
export function describeDeadLetterStore(name: string, makeStore: () => Promise<DeadLetterStore>): void {
  test(`${name}: a store that was never written to has no letters`, async () => {
    const store = await makeStore();
    assert.deepEqual(await store.list(letter.origin, { max: 10 }), []);
    assert.deepEqual(await store.origins(), []);
    assert.equal(await store.settle(letter.origin, 'none', { claim: '1', state: 'discarded' }), false);
    assert.equal(await store.get(letter.origin, 'none'), undefined);
  });

  test(`${name}: a letter is listed without its payload and comes back whole`, async () => {
    const store = await makeStore();
    await store.add(letter);
    const [entry, ...more] = await store.list(letter.origin, { max: 10 });
    assert.ok(entry);
    assert.equal(more.length, 0);
    const { payload: _, ...shown } = letter;
    assert.deepEqual(entry, { ...shown, key: entry.key, state: 'open', attemptCount: 0 });
    assert.deepEqual(await store.get(letter.origin, entry.key), { letter, state: 'open' });
    assert.equal(await store.get('ingest:stripe', entry.key), undefined);
  });

  test(`${name}: letters are listed in the order in which they were added, each origin by itself`, async () => {
    const store = await makeStore();
    const { topic: _, ...noTopic } = letter;
    for (const id of ['1', '2', '3']) await store.add({ ...noTopic, id });
    await store.add({ ...letter, origin: 'ingest:stripe' });
    const listed = await store.list(letter.origin, { max: 10 });
    assert.deepEqual(
      listed.map(({ id }) => id),
      ['1', '2', '3'],
    );
    assert.ok(listed.every((entry) => !('topic' in entry)));
    assert.deepEqual(await store.list(letter.origin, { max: 2 }), listed.slice(0, 2));
  });

  test(`${name}: the same event can die twice`, async () => {
    const store = await makeStore();
    await Promise.all([store.add(letter), store.add(letter)]);
    assert.equal((await store.list(letter.origin, { max: 10 })).length, 2);
  });

  test(`${name}: a payload beyond what one entity holds is kept to the last character`, async () => {
    const store = await makeStore();
    const payload = randomBytes(2_500_000).toString('base64');
    await store.add({ ...letter, payload });
    await store.add(letter);
    const listed = await store.list(letter.origin, { max: 10 });
    assert.equal(listed.length, 2);
    assert.equal((await store.get(letter.origin, listed[0]?.key ?? ''))?.letter.payload, payload);
  });

  test(`${name}: ids and messages of any length are cut in a list only`, async () => {
    const store = await makeStore();
    const message = `m${'\u{1f389}'.repeat(100_000)}`;
    const long = { ...letter, id: 'i'.repeat(100_000), reason: { code: 'c', message } };
    await store.add(long);
    const [entry] = await store.list(letter.origin, { max: 1 });
    assert.equal(entry?.id, 'i'.repeat(1_000));
    assert.equal(entry.reason.message, message.slice(0, 1_000).toWellFormed());
    assert.deepEqual(await store.get(letter.origin, entry.key), { letter: long, state: 'open' });
  });

  describeKeys(name, makeStore);
  describeStates(name, makeStore);
  describeClaims(name, makeStore);
}

function describeKeys(name: string, makeStore: () => Promise<DeadLetterStore>): void {
  test(`${name}: a record that could not be delivered comes back whole, with every attempt`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const { payload: _, attempts: __, ...shown } = undelivered;
    assert.deepEqual(await store.list('audit-2', { max: 10 }), [
      { ...shown, key, state: 'open', attemptCount: 2 },
    ]);
    assert.deepEqual(await store.get('audit-2', key), { letter: undelivered, state: 'open' });
  });

  test(`${name}: there is no letter of a key that no table can hold`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    for (const odd of ['a/b', 'a\\b', 'a#b', 'a?b', 'a\u0000b', '/', 'k'.repeat(10_000)]) {
      assert.equal(await store.get('audit-2', odd), undefined);
      assert.equal(await store.get(odd, key), undefined);
      assert.equal(await store.settle('audit-2', odd, { claim: '1', state: 'discarded' }), false);
    }
  });

  test(`${name}: a letter that is added again under its key, still open, is the same letter`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const again = { ...undelivered, atMs: undelivered.atMs + 1, attempts: [lost] };
    await Promise.all([store.add(again, key), store.add(again, key), store.add(undelivered, key)]);
    assert.deepEqual(await keysOf(store, 'audit-2'), [key]);
    assert.deepEqual((await store.get('audit-2', key))?.letter, undelivered, 'and stays as it was');
  });

  test(`${name}: another letter of the same key is kept beside it`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    await store.add({ ...undelivered, payload: 'other' }, key);
    await store.add({ ...undelivered, payload: 'third' }, key);
    await store.add({ ...undelivered, payload: 'other' }, key);
    assert.deepEqual(await keysOf(store, 'audit-2'), [key, `${key}~2`, `${key}~3`]);
    assert.equal((await store.get('audit-2', `${key}~2`))?.letter.payload, 'other');

    const claim = await claimOf(store, 'audit-2', key);
    assert.equal(await store.settle('audit-2', key, { claim, state: 'discarded' }), true);
    await store.add(undelivered, key);
    await store.add(undelivered, key);
    assert.deepEqual(await keysOf(store, 'audit-2'), [key, `${key}~2`, `${key}~3`, `${key}~4`]);
    assert.deepEqual(await store.get('audit-2', `${key}~4`), { letter: undelivered, state: 'open' });
  });

  test(`${name}: of many letters added under one key at once none is lost, and none is there twice`, async () => {
    const store = await makeStore();
    const payloads = ['a', 'b', 'c', 'a', 'b', 'c'];
    await Promise.all(payloads.map((payload) => store.add({ ...undelivered, payload }, key)));
    const keys = await keysOf(store, 'audit-2');
    const found = await Promise.all(keys.map((each) => store.get('audit-2', each)));
    assert.deepEqual(found.map((stored) => stored?.letter.payload).sort(), ['a', 'b', 'c']);
  });

  test(`${name}: large letters of one key do not mix`, async () => {
    const store = await makeStore();
    const large = () => ({ ...undelivered, payload: randomBytes(2_500_000).toString('base64') });
    const letters = [large(), large()];
    for (const each of letters) await store.add(each, key);
    await store.add({ ...letters[0], attempts: [] } as DeadLetter, key);
    const claim = await claimOf(store, 'audit-2', key);
    assert.equal(await store.settle('audit-2', key, { claim, state: 'redriven', attempts: [attempt] }), true);
    assert.deepEqual(await keysOf(store, 'audit-2'), [key, `${key}~2`]);
    assert.deepEqual(await store.get('audit-2', key), {
      letter: { ...letters[0], attempts: [attempt, lost, attempt] },
      state: 'redriven',
    });
    assert.deepEqual(await store.get('audit-2', `${key}~2`), { letter: letters[1], state: 'open' });
  });

  test(`${name}: every origin that has letters is named, each once`, async () => {
    const store = await makeStore();
    const payload = randomBytes(1_000_000).toString('base64');
    const origins = ['audit', 'audit-2', 'ingest', 'ingest:github', 'ingest:more', 'outbox:Orders.v1_a-b'];
    for (const origin of origins.toReversed()) await store.add({ ...undelivered, origin, payload });
    await store.add({ ...undelivered, origin: 'audit' }, key);
    const claim = await claimOf(store, 'audit', key);
    await store.settle('audit', key, { claim, state: 'discarded' });
    assert.deepEqual([...(await store.origins())].sort(), origins);
  });
}

function describeStates(name: string, makeStore: () => Promise<DeadLetterStore>): void {
  test(`${name}: a letter is settled once, and keeps what it held`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const claim = await claimOf(store, 'audit-2', key);
    const settled = await Promise.all(
      ([1, 2, 3, 4, 5] as const).map((latencyMs) =>
        store.settle('audit-2', key, { claim, state: 'redriven', attempts: [{ ...attempt, latencyMs }] }),
      ),
    );
    assert.equal(settled.filter(Boolean).length, 1);
    const made = { ...attempt, latencyMs: settled.indexOf(true) + 1 };
    assert.deepEqual(await store.get('audit-2', key), {
      letter: { ...undelivered, attempts: [attempt, lost, made] },
      state: 'redriven',
    });
    const [entry] = await store.list('audit-2', { max: 1 });
    assert.deepEqual([entry?.state, entry?.attemptCount], ['redriven', 3]);
    assert.equal(await store.settle('audit-2', key, { claim, state: 'discarded' }), false);
    assert.equal(await store.settle('audit-2', `${key}~2`, { claim, state: 'discarded' }), false);
  });

  test(`${name}: a letter that stays open gathers attempts; the newest are kept, and all are counted`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const answer = () => randomBytes(1_000).toString('latin1');
    const made = Array.from({ length: 30 }, (_, atMs) => ({ ...attempt, atMs, answer: answer() }));
    const settle = async (state: DeadLetterState, attempts: readonly Attempt[]) => {
      const claim = await claimOf(store, 'audit-2', key);
      assert.equal(await store.settle('audit-2', key, { claim, state, attempts }), true);
    };
    for (const each of made.slice(0, 25)) await settle('open', [each]);
    await settle('open', made.slice(25));
    await settle('discarded', []);
    const found = await store.get('audit-2', key);
    assert.deepEqual(found?.letter.attempts, [attempt, lost, ...made.slice(10)]);
    assert.equal(found.state, 'discarded');
    assert.equal((await store.list('audit-2', { max: 1 }))[0]?.attemptCount, 32);
  });

  test(`${name}: a list goes on after any key, and shows the letters of one state`, async () => {
    const store = await makeStore();
    const keys = Array.from(
      { length: 12 },
      (_, index) => `orders:${index % 3}:${String(index).padStart(19, '0')}`,
    );
    await Promise.all(keys.map((each) => store.add({ ...undelivered, payload: each }, each)));
    const states = ['open', 'redriven', 'discarded'] as const;
    const sorted = keys.toSorted();
    const stateOf = (each: string) => states[Math.floor(sorted.indexOf(each) / 2) % 3] ?? 'open';
    await Promise.all(
      sorted.map(async (each) => {
        const claim = await claimOf(store, 'audit-2', each);
        await store.settle('audit-2', each, { claim, state: stateOf(each) });
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...states, undefined),
        fc.constantFrom(...keys, '', undefined, 'p'),
        fc.integer({ min: 1, max: 13 }),
        async (state, afterKey, max) => {
          const query = { max, ...(state && { state }), ...(afterKey !== undefined && { afterKey }) };
          const wanted = sorted
            .filter((each) => each > (afterKey ?? '') && (state ?? stateOf(each)) === stateOf(each))
            .slice(0, max);
          const listed = await store.list('audit-2', query);
          assert.deepEqual(
            listed.map((entry) => [entry.key, entry.state]),
            wanted.map((each) => [each, stateOf(each)]),
          );
        },
      ),
      { numRuns: 30 },
    );
  });
}

function describeClaims(name: string, makeStore: () => Promise<DeadLetterStore>): void {
  const nowMs = 1_795_000_000_000;
  const untilMs = nowMs + 60_000;

  test(`${name}: of many who claim a letter at once one gets it, and the others learn until when`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const claims = await Promise.all(
      Array.from({ length: 5 }, () => store.claim('audit-2', key, { nowMs, untilMs })),
    );
    const others = claims.filter(({ outcome }) => outcome !== 'claimed');
    assert.equal(others.length, 4);
    for (const claim of others) assert.deepEqual(claim, { outcome: 'busy', untilMs });
    assert.deepEqual(await store.get('audit-2', key), { letter: undelivered, state: 'open' });
    assert.deepEqual(await keysOf(store, 'audit-2', 'open'), [key], 'a claimed letter is still open');
  });

  test(`${name}: a claim lapses by itself, so that a crash locks no letter for ever`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    await store.claim('audit-2', key, { nowMs, untilMs });
    const late = { nowMs: untilMs, untilMs: untilMs + 60_000 };
    const early = await store.claim('audit-2', key, { ...late, nowMs: untilMs - 1 });
    assert.deepEqual(early, { outcome: 'busy', untilMs });
    assert.equal((await store.claim('audit-2', key, late)).outcome, 'claimed');
    assert.deepEqual(await store.claim('audit-2', key, late), { outcome: 'busy', untilMs: late.untilMs });
  });

  test(`${name}: who comes back after somebody else has claimed the letter changes nothing of it`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const [first, second] = [await claimOf(store, 'audit-2', key), await claimOf(store, 'audit-2', key)];
    for (const state of ['open', 'redriven', 'discarded'] as const) {
      const late = { claim: first, state, attempts: [attempt] };
      assert.equal(await store.settle('audit-2', key, late), false);
    }
    assert.deepEqual(await store.get('audit-2', key), { letter: undelivered, state: 'open' });
    assert.equal(await store.settle('audit-2', key, { claim: second, state: 'open' }), true);
    for (const claim of [first, second]) {
      assert.equal(await store.settle('audit-2', key, { claim, state: 'redriven' }), false);
    }
  });

  test(`${name}: a claim that has passed still settles a letter that nobody else has claimed`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const claim = await claimOf(store, 'audit-2', key);
    assert.equal(await store.settle('audit-2', key, { claim, state: 'redriven' }), true);
    assert.equal((await store.get('audit-2', key))?.state, 'redriven');
  });

  test(`${name}: settling ends a claim: a letter that stays open is free again, any other is settled`, async () => {
    const store = await makeStore();
    await store.add(undelivered, key);
    const take = async () => {
      const claimed = await store.claim('audit-2', key, { nowMs, untilMs });
      assert.equal(claimed.outcome, 'claimed');
      return claimed.claim;
    };
    const settled = { claim: await take(), state: 'open', attempts: [attempt] } as const;
    assert.equal(await store.settle('audit-2', key, settled), true);
    const claim = await take();
    assert.deepEqual((await store.get('audit-2', key))?.letter.attempts, [attempt, lost, attempt]);
    assert.equal(await store.settle('audit-2', key, { claim, state: 'redriven' }), true);
    assert.deepEqual(await store.claim('audit-2', key, { nowMs, untilMs }), { outcome: 'not-open' });
  });

  test(`${name}: what is not there cannot be claimed`, async () => {
    const store = await makeStore();
    assert.deepEqual(await store.claim('audit-2', key, { nowMs, untilMs }), { outcome: 'not-open' });
    await store.add(undelivered, key);
    for (const odd of [`${key}~2`, 'a/b']) {
      assert.deepEqual(await store.claim('audit-2', odd, { nowMs, untilMs }), { outcome: 'not-open' });
    }
  });
}
