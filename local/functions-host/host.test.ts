import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, test } from 'node:test';
import { startTestHost } from './test-host.ts';

const { host, lines, nextLine, close } = await startTestHost();
after(close);

const get = (path: string, init?: RequestInit) => fetch(`${host.url}${path}`, init);

const eventGrid = (name: string, type: string | undefined, body: unknown, init: RequestInit = {}) =>
  get(`/runtime/webhooks/eventgrid?functionName=${name}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { ...(type === undefined ? {} : { 'aeg-event-type': type }) },
  });

/** Header pairs as they are, which fetch would merge or refuse. */
function rawRequest(path: string, headers: string[], body: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', path, port: new URL(host.url).port, headers };
    const request = httpRequest(options, async (response) => {
      resolve(Buffer.concat(await response.toArray()).toString());
    });
    request.on('error', reject).end(body);
  });
}

test('the functions are listed with their URLs, disabled ones aside', () => {
  const text = lines.join('\n');
  assert.match(text, /\taccept: \[POST\] http:\/\/localhost:\d+\/api\/accept\n/);
  assert.match(
    text,
    /\techo: \[POST,PUT\] http:\/\/localhost:\d+\/api\/echo\/\{kind:alpha\}\/\{id:int\?\}\n/,
  );
  assert.match(
    text,
    /\tevents: eventGridTrigger http:.*\/runtime\/webhooks\/eventgrid\?functionName=events\n/,
  );
  assert.match(text, /\ttick: timerTrigger\n/);
  assert.match(text, /Function 'switchedOff' is disabled/);
  assert.doesNotMatch(text, /\tswitchedOff:/);
});

test('a function sees the request exactly: bytes, parameters, query, headers, trace', async () => {
  const body = Buffer.from([0, 1, 0xff, 0xfe, 0x0d, 0x0a, 0x80]);
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const headers = [
    'Host',
    'example.org',
    'X-Many',
    'a',
    'x-many',
    'b',
    'Content-Length',
    String(body.length),
  ];
  const answer = JSON.parse(
    await rawRequest(
      '/api/ECHO/order/7?a=1&A=2&b=%20c',
      [...headers, 'traceparent', `00-${traceId}-00f067aa0ba902b7-01`],
      body,
    ),
  );
  assert.equal(answer.body, body.toString('hex'));
  assert.equal(answer.url, 'http://example.org/api/ECHO/order/7?a=1&A=2&b=%20c');
  assert.deepEqual(answer.params, { kind: 'order', id: '7' });
  assert.deepEqual(answer.query, { a: '1,2', b: ' c' });
  assert.equal(answer.headers['x-many'], 'a,b');
});

test('a function answers with status, headers, cookies and JSON', async () => {
  const answer = await get('/api/echo/order', {
    method: 'PUT',
    body: 'x',
    headers: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
  });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.deepEqual(answer.headers.getSetCookie(), ['seen=a%20b; max-age=60; path=/; samesite=lax; httponly']);
  assert.match(
    answer.headers.get('x-trace') ?? '',
    /^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$/,
  );
});

test('bytes, streams and no answer at all come through', async () => {
  const bytes = await get('/api/answers/bytes');
  assert.deepEqual([...(await bytes.bytes())], [0, 255, 1]);
  assert.equal(await (await get('/api/answers/stream')).text(), 'ab');
  const nothing = await get('/api/answers/nothing');
  assert.equal(nothing.status, 204);
});

test('a function that throws answers 500 with nothing in it, and the log says why', async () => {
  const answer = await get('/api/answers/throw');
  assert.equal(answer.status, 500);
  assert.equal(await answer.text(), '');
  assert.match(
    lines.join('\n'),
    /Executed 'Functions.answers' \(Failed, Id=.*, Duration=\d+ms\)\nError: secret detail/,
  );
});

test('a route, method or constraint that does not match is 404', async () => {
  for (const [path, method] of [
    ['/api/nowhere', 'GET'],
    ['/accept', 'POST'],
    ['/api/accept', 'GET'],
    ['/api/echo/order/seven', 'POST'],
    ['/api/switchedOff', 'GET'],
  ] as const) {
    assert.equal((await get(path, { method })).status, 404, `${method} ${path}`);
  }
});

test('of two routes that match, the function that comes first by name answers', async () => {
  assert.equal(await (await get('/api/files/special')).text(), 'special');
  assert.equal(await (await get('/api/files/a/b')).text(), 'a/b');
  assert.match(lines.join('\n'), /Executing 'Functions.files' /);
  assert.doesNotMatch(lines.join('\n'), /Executing 'Functions.filesLater' /);
});

test('two requests run, a third waits and a fourth is refused with 429, as host.json limits them', async () => {
  const four = Array.from({ length: 4 }, () => get('/api/hold'));
  const refused = await Promise.race(four);
  assert.equal(refused.status, 429);
  assert.equal(lines.filter((line) => line.includes("Executing 'Functions.hold'")).length, 2);

  const thirdRuns = nextLine(/Executing 'Functions.hold'/);
  await eventGrid('release', 'Notification', [{}]);
  await thirdRuns;
  await eventGrid('release', 'Notification', [{}]);
  const texts = await Promise.all(four.map(async (answer) => (await answer).text()));
  assert.deepEqual(texts.sort(), ['', 'released', 'released', 'released']);
});

test('Event Grid and CloudEvents handshakes are answered as the extension does', async () => {
  const code = { validationCode: '512d38b6' };
  for (const body of [[{ id: '1', data: code }], { id: '1', data: JSON.stringify(code) }]) {
    const answer = await eventGrid('events', 'SubscriptionValidation', body);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { validationResponse: '512d38b6' });
  }
  const options = await eventGrid('events', undefined, '', { method: 'OPTIONS', body: null });
  assert.equal(options.status, 200);
  assert.equal(options.headers.get('webhook-allowed-origin'), 'eventgrid.azure.net');
});

test('Event Grid is told what became of its request', async () => {
  const status = async (...args: Parameters<typeof eventGrid>) => (await eventGrid(...args)).status;
  assert.equal(await status('nobody', 'Notification', []), 404);
  assert.equal(await status('events', 'Unsubscribe', []), 202);
  assert.equal(await status('events', 'SubscriptionDeletion', []), 400);
  assert.equal(await status('events', undefined, []), 400);
  assert.equal(await status('events', 'Notification', 'no json'), 500);
  assert.equal(await status('events', 'SubscriptionValidation', []), 500);
});

test('events are run one by one, and one that fails fails the request', async () => {
  const good = await eventGrid('events', 'Notification', [{ id: 'a' }, { id: 'b' }]);
  assert.equal(good.status, 202);
  const cloudEvent = await eventGrid('events', 'Notification', { id: 'c', specversion: '1.0' });
  assert.equal(cloudEvent.status, 202);
  const bad = await eventGrid('events', 'Notification', [{ id: 'd' }, { id: 'e', data: { fail: true } }]);
  assert.equal(bad.status, 500);
  assert.match(await bad.text(), /event e failed/);

  const seen: { id: string; invocationId: string }[] = JSON.parse(await (await get('/api/seen')).text());
  assert.deepEqual(
    seen.map(({ id }) => id),
    ['a', 'b', 'c', 'd'],
  );
  assert.equal(new Set(seen.map(({ invocationId }) => invocationId)).size, 4);
});

test('hooks run around an invocation and may change its result', async () => {
  assert.equal(await (await get('/api/hooked')).text(), 'changed by a hook');
});

test('host.json decides which lines of a function are printed, and a log hook may change them', async () => {
  await get('/api/log');
  const text = lines.join('\n');
  assert.match(text, /\] shown by log$/m);
  assert.doesNotMatch(text, /not shown/);
});

test('the admin endpoints describe the functions and the host', async () => {
  const functions = JSON.parse(await (await get('/admin/functions')).text());
  assert.ok(functions.some((fn: { name: string }) => fn.name === 'echo'));
  const echo = JSON.parse(await (await get('/admin/functions/Echo')).text());
  assert.equal(echo.config.bindings[0].route, 'echo/{kind:alpha}/{id:int?}');
  assert.equal((await get('/admin/functions/nobody')).status, 404);
  assert.equal((await get('/admin/elsewhere')).status, 404);
  const status = JSON.parse(await (await get('/admin/host/status')).text());
  assert.equal(status.state, 'Running');
  assert.equal((await get('/')).status, 200);
});

test('a function is run by hand through the admin endpoint, which answers at once', async () => {
  const run = (name: string, body: string, type = 'application/json') =>
    get(`/admin/functions/${name}`, { method: 'POST', body, headers: { 'content-type': type } });
  const ticked = nextLine(/\] tick \{/);
  assert.equal((await run('tick', '{}')).status, 202);
  await ticked;
  const tick: string = lines.findLast((line) => line.includes('] tick {')) ?? '';
  const timer = JSON.parse(tick.slice(tick.indexOf('{')));
  assert.deepEqual(timer.schedule, { adjustForDST: true });
  assert.equal(timer.isPastDue, false);
  assert.deepEqual(Object.keys(timer.scheduleStatus).sort(), ['last', 'lastUpdated', 'next']);

  assert.equal((await run('events', '{"input":"{\\"id\\":\\"by hand\\"}"}')).status, 202);
  assert.equal((await run('tick', '{}', 'text/plain')).status, 415);
  assert.equal((await run('tick', '')).status, 400);
  assert.equal((await run('nobody', '{}')).status, 404);
});

test('a host that is embedded runs functions by name', async () => {
  const result = await host.invoke('accept');
  assert.ok(result.ok);
  assert.equal(result.response.returnValue?.http?.statusCode, '202');
  await assert.rejects(host.invoke('nobody'), /there is no function "nobody"/);
});
