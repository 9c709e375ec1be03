import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { bodyBytesMax, listen, send } from './http-server.ts';
import { httpTrigger } from './http-trigger.ts';
import type { Invoke } from './invoke.ts';
import { openTestTrigger } from './test-host.ts';

/** One HTTP function named `slow` and what the host runs for it. */
async function listenTo(t: TestContext, invoke: Invoke, options: Record<string, unknown> = {}) {
  const clock = createManualClock();
  const { trigger } = openTestTrigger(t, httpTrigger, {
    name: 'slow',
    binding: { type: 'httpTrigger', authLevel: 'anonymous', methods: ['POST'], ...options },
    parts: { clock, invoke },
  });
  const listener = await listen({
    port: 0,
    answer: (exchange) => trigger.answer?.(exchange) ?? send(exchange.response, 404),
  });
  t.after(() => {
    listener.close();
    listener.destroy();
  });
  return { clock, port: listener.port };
}

test('a function that has not answered within 230 seconds is answered for with 504', async (t) => {
  const started = Promise.withResolvers<void>();
  const { clock, port } = await listenTo(t, () => {
    started.resolve();
    return new Promise(() => undefined);
  });
  const answer = fetch(`http://127.0.0.1:${port}/api/slow`, { method: 'POST' });
  await started.promise;
  await clock.advance(231_000);
  assert.equal((await answer).status, 504);
});

test('a body beyond 100 MB is refused before the function runs', async (t) => {
  const { port } = await listenTo(t, () => assert.fail('the function ran'));
  const status = await new Promise((resolve, reject) => {
    const headers = { 'content-length': bodyBytesMax + 1 };
    const request = httpRequest({ port, path: '/api/slow', method: 'POST', headers }, (response) => {
      resolve(response.statusCode);
      request.destroy();
    });
    request.on('error', reject).flushHeaders();
  });
  assert.equal(status, 413);
});

test('an empty route means the name of the function, and an unknown authLevel is refused', async (t) => {
  const { port } = await listenTo(t, async () => ({ ok: true, response: {} }), { route: '' });
  assert.equal((await fetch(`http://127.0.0.1:${port}/api/slow`, { method: 'POST' })).status, 204);
  await assert.rejects(
    listenTo(t, async () => ({ ok: true, response: {} }), { authLevel: 'everyone' }),
    /function "slow":[\s\S]*authLevel/,
  );
});

test('a Host header that names no host is refused before the function runs', async (t) => {
  const { port } = await listenTo(t, () => assert.fail('the function ran'));
  for (const host of ['l calhost', 'local/host', 'user@localhost', '[::1', 'localhost:99999']) {
    const status = await new Promise((resolve, reject) => {
      const headers = { host };
      const request = httpRequest({ port, path: '/api/slow', method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject).end();
    });
    assert.equal(status, 400, host);
  }
});
