import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from './clock.ts';
import { createTokens } from './tokens.ts';

const lifetimeMs = 3_600_000;

function setup() {
  const time = { nowMs: 0 };
  const clock: Clock = { now: () => time.nowMs, sleep: async () => undefined };
  const asked: boolean[] = [];
  const state = { failing: false };
  const tokens = createTokens({
    clock,
    acquire: async ({ forceRefresh }) => {
      asked.push(forceRefresh);
      if (state.failing) throw new Error('the authority is away');
      return { value: `token-${asked.length}`, expiresAtMs: time.nowMs + lifetimeMs };
    },
  });
  return { tokens, asked, time, state };
}

test('concurrent calls share one request for a token', async () => {
  const { tokens, asked } = setup();
  const values = await Promise.all(Array.from({ length: 50 }, () => tokens.current()));
  assert.deepEqual(new Set(values), new Set(['token-1']));
  assert.equal(asked.length, 1);
});

test('a token is renewed ahead of its end while the old one still serves', async () => {
  const { tokens, asked, time } = setup();
  await tokens.current();
  time.nowMs = lifetimeMs - 4 * 60_000;
  assert.equal(await tokens.current(), 'token-1');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await tokens.current(), 'token-2');
  assert.equal(asked.length, 2);
});

test('a renewal that fails is not felt until the token has ended', async () => {
  const { tokens, state, time } = setup();
  await tokens.current();
  state.failing = true;
  time.nowMs = lifetimeMs - 60_000;
  assert.equal(await tokens.current(), 'token-1');
  await new Promise((resolve) => setImmediate(resolve));
  time.nowMs = lifetimeMs;
  await assert.rejects(tokens.current(), /away/);
  state.failing = false;
  assert.equal(await tokens.current(), 'token-4');
});

test('a rejected token is replaced once, however many calls were rejected', async () => {
  const { tokens, asked } = setup();
  const old = await tokens.current();
  const values = await Promise.all([tokens.replace(old), tokens.replace(old), tokens.replace(old)]);
  assert.deepEqual(new Set(values), new Set(['token-2']));
  assert.deepEqual(asked, [false, true]);
  assert.equal(await tokens.replace(old), 'token-2', 'another call has replaced it already');
  assert.equal(asked.length, 2);
});

test('a token that lives for a minute is renewed once in that minute, not at every call', async () => {
  const time = { nowMs: 0 };
  let asked = 0;
  const tokens = createTokens({
    clock: { now: () => time.nowMs, sleep: async () => undefined },
    acquire: async () => {
      asked += 1;
      return { value: `token-${asked}`, expiresAtMs: time.nowMs + 60_000 };
    },
  });
  for (time.nowMs = 0; time.nowMs < 60_000; time.nowMs += 1_000) await tokens.current();
  assert.equal(asked, 2);
});

test('a renewal that fails is not tried at every call', async () => {
  const { tokens, asked, state, time } = setup();
  await tokens.current();
  state.failing = true;
  for (time.nowMs = lifetimeMs - 60_000; time.nowMs < lifetimeMs - 40_000; time.nowMs += 100) {
    await tokens.current();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(asked.length, 1 + 4, 'every five seconds');
});

test('a token is at hand from when it came until it is too close to its end', async () => {
  const { tokens, time } = setup();
  assert.equal(tokens.isAtHand(), false);
  await tokens.current();
  assert.equal(tokens.isAtHand(), true);
  time.nowMs = lifetimeMs - 1_000;
  assert.equal(tokens.isAtHand(), false);
});
