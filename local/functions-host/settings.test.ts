import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { choosePort, readSettings, resolveAppSettings } from './settings.ts';

function readWith(files: Record<string, unknown>, env: NodeJS.ProcessEnv = {}) {
  const scriptRoot = mkdtempSync(join(tmpdir(), 'settings-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(scriptRoot, name), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return readSettings({ scriptRoot, env });
  } finally {
    rmSync(scriptRoot, { recursive: true });
  }
}

test('a bare host.json means the prefix api, no request limits and 30 minutes', () => {
  const settings = readWith({ 'host.json': { version: '2.0' } });
  assert.deepEqual(settings, {
    routePrefix: 'api',
    concurrentRequestsMax: Number.POSITIVE_INFINITY,
    outstandingRequestsMax: Number.POSITIVE_INFINITY,
    functionTimeoutMs: 1_800_000,
    logLevels: {},
    localHttpPort: undefined,
    queues: {
      batchSize: 16,
      newBatchThreshold: 8,
      maxPollingIntervalMs: 60_000,
      visibilityTimeoutMs: 0,
      maxDequeueCount: 5,
      messageEncoding: 'base64',
    },
  });
  assert.equal(choosePort(undefined, settings), 7071);
});

test('host.json sets how queues are read', () => {
  const read = (queues: Record<string, unknown>) =>
    readWith({ 'host.json': { version: '2.0', extensions: { queues } } }).queues;
  assert.deepEqual(
    read({
      batchSize: 4,
      maxPollingInterval: '00:00:02',
      visibilityTimeout: '00:00:30',
      maxDequeueCount: 3,
      messageEncoding: 'None',
    }),
    {
      batchSize: 4,
      newBatchThreshold: 2,
      maxPollingIntervalMs: 2_000,
      visibilityTimeoutMs: 30_000,
      maxDequeueCount: 3,
      messageEncoding: 'none',
    },
  );
  assert.equal(read({ newBatchThreshold: 0 }).newBatchThreshold, 0);
  assert.throws(() => read({ batchSize: 33 }), /extensions\.queues\.batchSize/);
  assert.throws(() => read({ visibilityTimeout: '30s' }), /"30s" is no time span/);
  assert.throws(() => read({ maxPollingInterval: '00:00:00' }), /must be longer than zero/);
});

test('app settings take the place of their names between percent signs', () => {
  assert.equal(resolveAppSettings('%TEAM%-work-%STAGE%', { TEAM: 'a', STAGE: 'test' }), 'a-work-test');
  assert.throws(() => resolveAppSettings('%TEAM%', {}), /'%TEAM%' does not resolve/);
});

test('host.json sets prefix, limits, timeout and log levels', () => {
  const settings = readWith({
    'host.json': {
      version: '2.0',
      functionTimeout: '00:05:00',
      logging: { logLevel: { Function: 'Error' } },
      extensions: { http: { routePrefix: '', maxConcurrentRequests: 5, maxOutstandingRequests: -1 } },
    },
  });
  assert.equal(settings.functionTimeoutMs, 300_000);
  assert.equal(settings.routePrefix, '');
  assert.equal(settings.concurrentRequestsMax, 5);
  assert.equal(settings.outstandingRequestsMax, Number.POSITIVE_INFINITY);
  assert.deepEqual(settings.logLevels, { Function: 'Error' });
});

test('a functionTimeout of -1 is no limit', () => {
  const settings = readWith({ 'host.json': { version: '2.0', functionTimeout: '-1' } });
  assert.equal(settings.functionTimeoutMs, Number.POSITIVE_INFINITY);
});

test('Values of local.settings.json fill in what the environment does not set', () => {
  const env = { TAKEN: 'by the environment' };
  const settings = readWith(
    {
      'host.json': { version: '2.0' },
      'local.settings.json': {
        IsEncrypted: false,
        Values: { TAKEN: 'by the file', FREE: 'yes' },
        Host: { LocalHttpPort: 7199 },
      },
    },
    env,
  );
  assert.deepEqual(env, { TAKEN: 'by the environment', FREE: 'yes' });
  assert.equal(choosePort(undefined, settings), 7199);
  assert.equal(choosePort(8080, settings), 8080);
});

for (const [what, files, message] of [
  ['no host.json', {}, /no function app: it has no host.json/],
  ['text that is no JSON', { 'host.json': '{' }, /cannot read .*host.json/],
  ['version 1', { 'host.json': { version: '1.0' } }, /must be "2.0"[\s\S]*version/],
  ['a timeout of 24:00:00', { 'host.json': { version: '2.0', functionTimeout: '24:00:00' } }, /d\.hh:mm:ss/],
  ['a timeout of zero', { 'host.json': { version: '2.0', functionTimeout: '00:00:00' } }, /longer than zero/],
  [
    'an encrypted local.settings.json',
    { 'host.json': { version: '2.0' }, 'local.settings.json': { IsEncrypted: true } },
    /func settings decrypt/,
  ],
  [
    'a value that is no string',
    { 'host.json': { version: '2.0' }, 'local.settings.json': { Values: { LIMIT: 5 } } },
    /must be a string[\s\S]*LIMIT/,
  ],
] as const) {
  test(`${what} is refused with what would be right`, () => {
    assert.throws(() => readWith(files), message);
  });
}
