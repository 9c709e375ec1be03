import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOperateWorld, tryAgain } from '../../test/support/operate-world.ts';
import type { EndpointLimits } from '../drain/gate.ts';
import { discardDeadLetters, getDeadLetter, listDeadLetters, redriveDeadLetters } from './dead-letters.ts';
import { pause } from './endpoint-control.ts';

const attempt = { atMs: 1, latencyMs: 2, status: 422, answer: 'no' };

function payloadOf(offset: number): string {
  const place = { topic: 'orders', partition: 0, offset: String(offset) };
  return JSON.stringify({ ...place, key: 'k', value: '{}', timestampMs: '5' });
}

async function worldWithLetters(count: number, limits: Partial<EndpointLimits> = {}) {
  const world = createOperateWorld(limits);
  for (let index = 0; index < count; index += 1) {
    const letter = { origin: 'billing', id: `id-${index}`, topic: 'orders', payload: payloadOf(index) };
    const reason = { code: 'delivery.refused', message: 'answered 422' };
    await world.options.deadLetters.add({ ...letter, reason, atMs: 9, attempts: [attempt] }, `k${index}`);
  }
  return world;
}

const many = { origin: 'billing', max: 100 };
const stateOf = async ({ options }: Awaited<ReturnType<typeof worldWithLetters>>, key: string) =>
  (await options.deadLetters.get('billing', key))?.state;

test('letters are redriven now, in order, through the delivery of their subscription', async () => {
  const world = await worldWithLetters(3);
  const { letters, next } = await redriveDeadLetters(world.options, many);
  assert.deepEqual(
    letters.map(({ key, outcome }) => [key, outcome]),
    [
      ['k0', 'redriven'],
      ['k1', 'redriven'],
      ['k2', 'redriven'],
    ],
  );
  assert.equal(next, null);
  assert.deepEqual(world.delivery.requests[2], { offsets: [2n], failures: 1 });
  assert.deepEqual(world.delivery.records[0], {
    topic: 'orders',
    partition: 0,
    offset: 0n,
    key: 'k',
    value: '{}',
    timestampMs: 5n,
  });
  assert.equal(await stateOf(world, 'k0'), 'redriven');
});

test('a letter that fails again stays open, with the attempt added, and does not stop the others', async () => {
  const world = await worldWithLetters(2);
  world.delivery.answer = ([record]) => (record?.offset === 0n ? tryAgain : undefined);
  const { letters } = await redriveDeadLetters(world.options, many);
  assert.deepEqual(letters, [
    { key: 'k0', outcome: 'failed', error: 'answered 500' },
    { key: 'k1', outcome: 'redriven' },
  ]);
  const found = await getDeadLetter(world.options, { origin: 'billing', key: 'k0' });
  assert.equal(found.state, 'open');
  assert.deepEqual(
    found.attempts?.map(({ status }) => status),
    [422, 500],
  );
});

test('a letter is redriven once', async () => {
  const world = await worldWithLetters(1);
  const one = { origin: 'billing', keys: ['k0'] };
  await redriveDeadLetters(world.options, one);
  const { letters } = await redriveDeadLetters(world.options, one);
  assert.deepEqual(
    letters.map(({ outcome }) => outcome),
    ['not-open'],
  );
  assert.equal(world.delivery.requests.length, 1);
});

test('of two redrives of a letter at once one sends it, and the other finds it busy', async () => {
  const world = await worldWithLetters(2);
  const [one, two] = await Promise.all([
    redriveDeadLetters(world.options, { origin: 'billing', keys: ['k0'] }),
    redriveDeadLetters(world.options, many),
  ]);
  assert.equal(world.delivery.requests.filter(({ offsets }) => offsets[0] === 0n).length, 1);
  const error =
    'somebody else has taken it on; if that broke off, it can be had again at 2026-01-01T00:05:00.000Z';
  assert.deepEqual(
    [...one.letters, ...two.letters],
    [
      { key: 'k0', outcome: 'redriven' },
      { key: 'k0', outcome: 'busy', error },
      { key: 'k1', outcome: 'redriven' },
    ],
  );
});

test('a letter that is being redriven is not discarded', async () => {
  const world = await worldWithLetters(1);
  const attempt = world.delivery.attempt.bind(world.delivery);
  const found: string[] = [];
  world.delivery.attempt = async (...given) => {
    const { letters } = await discardDeadLetters(world.options, many);
    found.push(...letters.map(({ outcome }) => outcome));
    return attempt(...given);
  };
  const { letters } = await redriveDeadLetters(world.options, many);
  assert.deepEqual([found, letters], [['busy'], [{ key: 'k0', outcome: 'redriven' }]]);
  assert.equal(await stateOf(world, 'k0'), 'redriven');
});

test('a letter whose redrive broke off is busy for a while, then free again', async () => {
  const world = await worldWithLetters(1);
  const attempt = world.delivery.attempt.bind(world.delivery);
  world.delivery.attempt = () => Promise.reject(new Error('the process is gone'));
  await assert.rejects(redriveDeadLetters(world.options, many));
  world.delivery.attempt = attempt;
  const outcome = async () => (await redriveDeadLetters(world.options, many)).letters[0]?.outcome;
  assert.equal(await outcome(), 'busy');
  await world.clock.advance(300_000);
  assert.equal(await outcome(), 'redriven');
});

test('a redrive that was frozen until another one took its letter on leaves the letter to that one', async () => {
  const world = await worldWithLetters(1);
  const attempt = world.delivery.attempt.bind(world.delivery);
  const successor = Promise.withResolvers<void>();
  let second = Promise.resolve<unknown>(undefined);
  world.delivery.attempt = async (...first) => {
    await world.clock.advance(300_000);
    const begun = Promise.withResolvers<void>();
    world.delivery.attempt = async (...given) => {
      begun.resolve();
      await successor.promise;
      world.delivery.answer = () => tryAgain;
      return attempt(...given);
    };
    second = redriveDeadLetters(world.options, many);
    await begun.promise;
    return attempt(...first);
  };
  const { letters } = await redriveDeadLetters(world.options, many);
  const overtaken = 'somebody else has taken it on meanwhile; here it was redriven';
  assert.deepEqual(letters, [{ key: 'k0', outcome: 'busy', error: overtaken }]);
  assert.equal(await stateOf(world, 'k0'), 'open');
  const third = await redriveDeadLetters(world.options, many);
  assert.equal(third.letters[0]?.outcome, 'busy', 'the successor still has it');
  successor.resolve();
  await second;
  const found = await getDeadLetter(world.options, { origin: 'billing', key: 'k0' });
  assert.equal(found.state, 'open');
  assert.deepEqual(
    found.attempts.map(({ status }) => status),
    [422, 500],
  );
});

test('a letter that somebody else took on while it was being discarded is not discarded', async () => {
  const world = await worldWithLetters(1);
  const { deadLetters } = world.options;
  const settle = deadLetters.settle.bind(deadLetters);
  const nowMs = world.clock.now() + 300_000;
  const frozen = {
    ...deadLetters,
    settle: async (...given: Parameters<typeof settle>) => {
      await deadLetters.claim('billing', 'k0', { nowMs, untilMs: nowMs + 1 });
      return settle(...given);
    },
  };
  const { letters } = await discardDeadLetters({ ...world.options, deadLetters: frozen }, many);
  assert.deepEqual(
    letters.map(({ outcome }) => outcome),
    ['busy'],
  );
  assert.equal(await stateOf(world, 'k0'), 'open');
});

test('a letter of which nothing came is free at once', async () => {
  const world = await worldWithLetters(1);
  world.delivery.prepares = () => 'filtered';
  await redriveDeadLetters(world.options, many);
  world.delivery.prepares = () => undefined;
  world.delivery.answer = () => tryAgain;
  await redriveDeadLetters(world.options, many);
  world.delivery.answer = () => undefined;
  const { letters } = await redriveDeadLetters(world.options, many);
  assert.deepEqual(letters, [{ key: 'k0', outcome: 'redriven' }]);
});

test('a letter that is filtered now, or cannot be prepared, stays open and says so', async () => {
  const world = await worldWithLetters(2);
  world.delivery.prepares = ({ offset }) => (offset === 0n ? 'filtered' : 'failed');
  const { letters } = await redriveDeadLetters(world.options, many);
  assert.deepEqual(
    letters.map(({ outcome }) => outcome),
    ['filtered', 'failed'],
  );
  assert.equal(await stateOf(world, 'k0'), 'open');
  assert.equal(world.delivery.requests.length, 0);
});

test('a payload that is no record fails, and nothing is sent', async () => {
  const { options, delivery } = createOperateWorld();
  const letter = { origin: 'billing', id: '', reason: { code: 'c', message: 'm' }, atMs: 1 };
  await options.deadLetters.add({ ...letter, payload: '{"topic":1}' }, 'a');
  await options.deadLetters.add({ ...letter, payload: '{' }, 'b');
  const { letters } = await redriveDeadLetters(options, many);
  assert.match(letters[0]?.error ?? '', /the payload is no record/);
  assert.match(letters[1]?.error ?? '', /the payload is no JSON/);
  assert.equal(delivery.requests.length, 0);
});

test('letters of a subscription that was removed do not go into their topic once more', async () => {
  const { options, produced } = createOperateWorld();
  const letter = { origin: 'removed', id: '', topic: 'orders', payload: payloadOf(1) };
  await options.deadLetters.add({ ...letter, reason: { code: 'c', message: 'm' }, atMs: 1 }, 'a');
  const { letters } = await redriveDeadLetters(options, { origin: 'removed', max: 10 });
  assert.deepEqual(
    letters.map(({ outcome, error }) => [outcome, error]),
    [['failed', 'there is no subscription "removed" any more; discard it']],
  );
  assert.deepEqual(produced, []);
});

test('an origin that there is not is refused, rather than said to have no letters', async () => {
  const { options } = await worldWithLetters(1);
  const origin = 'biling';
  const message =
    '"biling" is no subscription, and there are no dead letters of it; there are some of: billing';
  const choice = { origin, max: 10 };
  await assert.rejects(redriveDeadLetters(options, choice), { code: 'operate.unknown-origin', message });
  await assert.rejects(discardDeadLetters(options, choice), { message });
  await assert.rejects(listDeadLetters(options, { ...choice, after: undefined, state: undefined }), {
    message,
  });
  for (const known of ['ingest:github', 'billing']) {
    const { letters } = await discardDeadLetters(options, { origin: known, max: 10 });
    assert.equal(letters.length, known === 'billing' ? 1 : 0);
  }
});

test('letters of the way in are produced again', async () => {
  const { options, produced } = createOperateWorld();
  const letter = { origin: 'ingest:orders', id: '', reason: { code: 'c', message: 'm' }, atMs: 1 };
  await options.deadLetters.add({ ...letter, payload: 'bad' }, 'a');
  await options.deadLetters.add({ ...letter, payload: 'good' }, 'b');
  const { letters } = await redriveDeadLetters(options, { origin: 'ingest:orders', max: 10 });
  assert.deepEqual(letters, [
    { key: 'a', outcome: 'failed', error: 'too large' },
    { key: 'b', outcome: 'redriven' },
  ]);
  assert.deepEqual(produced, ['bad', 'good']);
});

test('while an endpoint is paused nothing is redriven, unless that is forced', async () => {
  const world = await worldWithLetters(2);
  await pause(world.options, { subscription: 'billing', why: 'maintenance' });
  await assert.rejects(redriveDeadLetters(world.options, many), {
    code: 'operate.endpoint-stopped',
    message:
      'the endpoint is paused: maintenance; resume billing first, or redrive all the same: --force, or "force": true',
  });
  assert.equal(world.delivery.requests.length, 0);
  const one = { origin: 'billing', keys: ['k0'], force: true };
  const { letters } = await redriveDeadLetters(world.options, one);
  assert.deepEqual(letters, [{ key: 'k0', outcome: 'redriven' }]);
  assert.equal((await world.options.checkpoints.readEndpoint('billing'))?.endpoint.state, 'paused');
  await redriveDeadLetters(world.options, { origin: 'ingest:orders', max: 1 });
});

test('a pause ends a redrive that is under way, and the answer says where to go on', async () => {
  const world = await worldWithLetters(3);
  world.delivery.answer = ([record]) => {
    if (record?.offset === 0n) void pause(world.options, { subscription: 'billing', why: 'wait' });
    return undefined;
  };
  const attempt = world.delivery.attempt.bind(world.delivery);
  world.delivery.attempt = async (...given) => {
    await world.clock.advance(3_000);
    return attempt(...given);
  };
  const { letters, ...rest } = await redriveDeadLetters(world.options, many);
  assert.deepEqual(
    letters.map(({ key }) => key),
    ['k0', 'k1'],
    'it is noticed within seconds',
  );
  const stopped = { why: 'the endpoint is paused: wait', goOnInMs: null };
  assert.deepEqual(rest, { origin: 'billing', next: 'k1', stopped });
  const more = await redriveDeadLetters(world.options, { ...many, after: 'k1' });
  assert.deepEqual(more, { origin: 'billing', letters: [], next: 'k1', stopped });
  assert.equal(await stateOf(world, 'k2'), 'open');
});

test('letters are redriven no faster than the endpoint may be called', async () => {
  const world = await worldWithLetters(4, { ratePerSecond: 2 });
  const redriving = redriveDeadLetters(world.options, many);
  const sent = [];
  for (let passedMs = 0; passedMs <= 1_500; passedMs += 500) {
    await world.clock.advance(passedMs === 0 ? 0 : 500);
    sent.push(world.delivery.requests.length);
  }
  assert.deepEqual(sent, [1, 2, 3, 4]);
  assert.equal((await redriving).letters.length, 4);
});

test('a receiver that asks for a wait ends the redrive, and the answer says for how long', async () => {
  const world = await worldWithLetters(3);
  const { clock, delivery } = world;
  const error = 'answered 429';
  delivery.answer = () => {
    const waitUntilMs = clock.now() + 12_000;
    return { kind: 'retry', atMs: waitUntilMs, error, endpoint: 'failing', waitUntilMs };
  };
  assert.deepEqual(await redriveDeadLetters(world.options, many), {
    origin: 'billing',
    letters: [{ key: 'k0', outcome: 'failed', error }],
    next: 'k0',
    stopped: {
      why: 'the endpoint is left alone for a while, as Retry-After or ratePerSecond asks',
      goOnInMs: 12_000,
    },
  });
});

test('a redrive that fails all the time breaks the circuit for everybody, and later one letter probes', async () => {
  const breaker = { failureRatio: 1, attemptsMin: 3, openMs: 30_000, openMsMax: 60_000 };
  const world = await worldWithLetters(6, { breaker });
  world.delivery.answer = () => tryAgain;
  const { letters, next, stopped } = await redriveDeadLetters(world.options, many);
  assert.deepEqual([letters.length, next, stopped?.goOnInMs], [3, 'k2', 30_000]);
  assert.match(stopped?.why ?? '', /^the endpoint is broken: /);
  await assert.rejects(redriveDeadLetters(world.options, many), {
    code: 'operate.endpoint-stopped',
    message: /^the endpoint is broken: .*; ask again in 30 s, resume billing first, or /,
  });

  await world.clock.advance(30_000);
  world.delivery.answer = () => undefined;
  assert.equal((await redriveDeadLetters(world.options, many)).letters.length, 6);
  assert.equal((await world.options.checkpoints.readEndpoint('billing'))?.endpoint.state, 'active');
});

test('a letter that is answered 410 disables the endpoint, and the others are left alone', async () => {
  const world = await worldWithLetters(2);
  world.delivery.answer = () => ({ kind: 'disable', error: 'answered 410' });
  const { letters, stopped } = await redriveDeadLetters(world.options, many);
  assert.deepEqual(letters, [{ key: 'k0', outcome: 'failed', error: 'answered 410' }]);
  assert.deepEqual(stopped, { why: 'the endpoint is disabled: answered 410', goOnInMs: null });
});

test('a call that takes long stops in time and says where to go on, and so to the end', async () => {
  const world = await worldWithLetters(5);
  const { options, clock, delivery } = world;
  // Each attempt takes 25 s of the minute.
  const slow = { ...delivery };
  slow.attempt = async (...given) => {
    await clock.advance(25_000);
    return delivery.attempt(...given);
  };
  const subscription = options.subscriptions.get('billing');
  assert.ok(subscription);
  const slowly = { ...options, subscriptions: new Map([['billing', { ...subscription, delivery: slow }]]) };
  const first = await redriveDeadLetters(slowly, many);
  assert.deepEqual([first.letters.length, first.next], [3, 'k2']);
  const second = await redriveDeadLetters(slowly, { ...many, after: first.next ?? '' });
  assert.deepEqual(
    second.letters.map(({ key }) => key),
    ['k3', 'k4'],
  );
  assert.equal(second.next, null);

  const keys = ['k0', 'k1', 'k2', 'k3'];
  const named = await redriveDeadLetters(slowly, { origin: 'billing', keys, after: 'k1' });
  assert.deepEqual(
    named.letters.map(({ key }) => key),
    ['k2', 'k3'],
  );
});

test('no more letters are taken than were asked for', async () => {
  const world = await worldWithLetters(5);
  const { letters, next } = await discardDeadLetters(world.options, { origin: 'billing', max: 2 });
  assert.deepEqual([letters.length, next], [2, 'k1']);
  assert.equal(await stateOf(world, 'k1'), 'discarded');
  assert.equal(await stateOf(world, 'k2'), 'open');
});

test('a key under which nothing is open is told, and the others are settled', async () => {
  const world = await worldWithLetters(1);
  const error = 'there is no letter of this key, or it is no longer open';
  for (const [settle, outcome] of [
    [redriveDeadLetters, 'redriven'],
    [discardDeadLetters, 'not-open'],
  ] as const) {
    const { letters } = await settle(world.options, { origin: 'billing', keys: ['k0', 'nope'] });
    assert.equal(letters[0]?.outcome, outcome);
    assert.deepEqual(letters[1], { key: 'nope', outcome: 'not-open', error });
  }
});

test('a list goes over origins in pages, without a letter twice or left out', async () => {
  const { options } = await worldWithLetters(3);
  const letter = { id: '', payload: '', reason: { code: 'c', message: 'm' }, atMs: 1 };
  await options.deadLetters.add({ ...letter, origin: 'audit' }, 'a');
  await options.deadLetters.add({ ...letter, origin: 'outbox:x' }, 'z');
  const seen: string[] = [];
  for (let after: string | undefined, pages = 0; pages < 10; pages += 1) {
    const request = { state: 'open', max: 2, origin: undefined, after } as const;
    const page = await listDeadLetters(options, request);
    seen.push(...page.letters.map(({ origin, key }) => `${origin} ${key}`));
    if (page.next === null) break;
    after = page.next;
  }
  assert.deepEqual(seen, ['audit a', 'billing k0', 'billing k1', 'billing k2', 'outbox:x z']);
});

test('a list shows the state asked for, when and how often', async () => {
  const { options } = await worldWithLetters(2);
  await discardDeadLetters(options, { origin: 'billing', keys: ['k1'] });
  const request = { origin: 'billing', state: 'discarded', max: 10, after: undefined } as const;
  const { letters } = await listDeadLetters(options, request);
  assert.deepEqual(letters, [
    {
      origin: 'billing',
      key: 'k1',
      id: 'id-1',
      topic: 'orders',
      reason: { code: 'delivery.refused', message: 'answered 422' },
      state: 'discarded',
      attemptCount: 1,
      at: '1970-01-01T00:00:00.009Z',
    },
  ]);
});

test('a letter is shown whole, with its times as an operator reads them', async () => {
  const { options } = await worldWithLetters(1);
  assert.deepEqual(await getDeadLetter(options, { origin: 'billing', key: 'k0' }), {
    origin: 'billing',
    key: 'k0',
    id: 'id-0',
    topic: 'orders',
    reason: { code: 'delivery.refused', message: 'answered 422' },
    state: 'open',
    at: '1970-01-01T00:00:00.009Z',
    attempts: [{ at: '1970-01-01T00:00:00.001Z', latencyMs: 2, status: 422, answer: 'no' }],
    payload: payloadOf(0),
  });
});

test('a letter that is not there is unknown', async () => {
  const { options } = createOperateWorld();
  await assert.rejects(getDeadLetter(options, { origin: 'billing', key: 'x' }), {
    code: 'operate.unknown-dead-letter',
  });
});
