import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { generate } from 'selfsigned';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { createHttpPool, HttpError, type HttpPoolOptions } from './http.ts';

/** A real server and a pool to it, both closed when the test ends. */
async function serve(t: TestContext, listener: RequestListener, changes: Partial<HttpPoolOptions> = {}) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const clock = createManualClock(0);
  const pool = createHttpPool({
    clock,
    connectionsMax: 4,
    connectTimeoutMs: 2_000,
    answerBytesMax: 1_000,
    ...changes,
  });
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await pool.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const send = (signal?: AbortSignal) =>
    pool.send({ method: 'POST', url, headers: {}, body: '{}', timeoutMs: 5_000, ...(signal && { signal }) });
  const failure = async (signal?: AbortSignal) => {
    const error = await send(signal).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof HttpError);
    return error;
  };
  return { server, clock, send, failure };
}

test('an answer of any status is an answer, and redirects are not followed', async (t) => {
  const { send } = await serve(t, (_request, response) =>
    response.writeHead(302, { location: '/elsewhere', 'x-a': ['1', '2'] }).end('moved'),
  );
  const { status, headers, body } = await send();
  assert.deepEqual([status, headers['x-a'], body], [302, '1, 2', 'moved']);
});

test('a refused connection was surely never sent, one that broke perhaps was', async (t) => {
  const refusing = await serve(t, () => undefined);
  refusing.server.close();
  const refused = await refusing.failure();
  assert.deepEqual([refused.failure, refused.neverSent, refused.retryable], ['connect', true, true]);

  const breaking = await serve(t, (request) => request.socket.destroy());
  const broken = await breaking.failure();
  assert.deepEqual([broken.failure, broken.neverSent, broken.retryable], ['broken', false, true]);
});

test('a server that takes the request and never answers is given up after the timeout', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const { failure, clock } = await serve(t, () => arrived.resolve());
  const outcome = failure();
  await arrived.promise;
  await clock.advance(5_000);
  const error = await outcome;
  assert.deepEqual([error.failure, error.neverSent], ['timeout', false]);
});

test('a caller who gives up while the request waits for a connection is told so at once', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const { failure, clock } = await serve(t, () => arrived.resolve(), { connectionsMax: 1 });
  const first = failure();
  await arrived.promise;
  const caller = new AbortController();
  const waiting = failure(caller.signal);
  caller.abort();
  assert.equal((await waiting).failure, 'aborted');
  await clock.advance(5_000);
  assert.equal((await first).failure, 'timeout');
});

test('a caller who gives up is told so', async (t) => {
  const caller = new AbortController();
  const { failure } = await serve(t, () => caller.abort());
  const error = await failure(caller.signal);
  assert.deepEqual([error.failure, error.retryable], ['aborted', false]);
});

test('what is no HTTP is told in words', async (t) => {
  const { failure } = await serve(t, (request) => request.socket.end('hello\r\n\r\n'));
  const { message } = await failure();
  assert.match(message, /broke \(.*HTTP.*\)$/);
});

test('a large answer is a failure, unless its status decides', async (t) => {
  const large: RequestListener = (_request, response) => response.end('x'.repeat(2_000));
  const strict = await serve(t, large);
  assert.equal((await strict.failure()).failure, 'answer-too-large');
  const lenient = await serve(t, large, { statusDecides: true });
  assert.equal((await lenient.send()).status, 200);
});

test('where the status decides, a body that breaks off changes nothing', async (t) => {
  const { send } = await serve(
    t,
    (request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('half of it', () => setImmediate(() => request.socket.destroy()));
    },
    { statusDecides: true },
  );
  assert.equal((await send()).status, 200);
});

test('where the status decides, a body that never ends is cut after the timeout, and what came is kept', async (t) => {
  const begun = Promise.withResolvers<void>();
  let requests = 0;
  const { send, clock } = await serve(
    t,
    (_request, response) => {
      requests += 1;
      response.writeHead(200);
      if (requests > 1) response.end();
      else response.write('half of it', () => begun.resolve());
    },
    { statusDecides: true },
  );
  const sent = send();
  await begun.promise;
  // Time may only pass once the bytes have arrived; a later answer comes after them.
  await send();
  await clock.advance(5_000);
  const { status, body } = await sent;
  assert.deepEqual([status, body], [200, 'half of it']);
});

test('where the status decides, as much of a large answer is kept as may be read', async (t) => {
  const { send } = await serve(t, (_request, response) => response.end('x'.repeat(100_000)), {
    statusDecides: true,
  });
  assert.equal((await send()).body, 'x'.repeat(1_000));
});

test('a request that waits for a connection is given up after the timeout, and never sent', async (t) => {
  let requests = 0;
  const arrived = Promise.withResolvers<void>();
  const { send, failure, clock } = await serve(
    t,
    (_request, response) => {
      requests += 1;
      arrived.resolve();
      if (requests > 1) response.end();
    },
    { connectionsMax: 1 },
  );
  const first = failure();
  const second = failure();
  await arrived.promise;
  await clock.advance(5_000);
  assert.deepEqual([(await first).failure, (await second).failure], ['timeout', 'timeout']);
  assert.equal((await send()).status, 200);
  assert.equal(requests, 2, 'the first and this one');
});

test('HTTP/2 is spoken where the server does, with the same outcomes', async (t) => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  const versions: string[] = [];
  const server = createSecureServer({ key, cert }, ({ httpVersion, url }, response) => {
    versions.push(httpVersion);
    if (url === '/reset') response.stream.close();
    else response.writeHead(503, { 'retry-after': '5' }).end('busy');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const clock = createManualClock(0);
  const limits = { connectionsMax: 2, connectTimeoutMs: 2_000, answerBytesMax: 1_000 };
  const pool = createHttpPool({ clock, ...limits, tls: { ca: cert } });
  t.after(async () => {
    await pool.close();
    server.close();
  });
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const send = (path: string) =>
    pool.send({ method: 'POST', url: origin + path, headers: {}, body: '{}', timeoutMs: 5_000 });
  const { status, headers, body } = await send('/');
  assert.deepEqual([status, headers['retry-after'], body], [503, '5', 'busy']);
  await assert.rejects(send('/reset'), { code: 'http.broken' });
  assert.deepEqual(versions, ['2.0', '2.0']);
});
