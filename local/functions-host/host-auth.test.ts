import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startTestHost } from './test-host.ts';

const { host, lines, stateDir, close } = await startTestHost({ enableAuth: true });
after(close);

const keyPath = join(stateDir, 'keys.json');
const keys: Record<'master' | 'function' | 'eventgrid_extension', string> = JSON.parse(
  readFileSync(keyPath, 'utf8'),
);

async function status(path: string, init: RequestInit = {}): Promise<number> {
  return (await fetch(`${host.url}${path}`, init)).status;
}

test('keys are kept where only their owner can read them, and printed masked', () => {
  assert.equal(statSync(keyPath).mode & 0o777, 0o600);
  const text = lines.join('\n');
  for (const key of Object.values(keys)) {
    assert.ok(key.length >= 40);
    assert.ok(!text.includes(key));
  }
  assert.ok(text.includes(`master key ${keys.master.slice(0, 4)}...`));
});

test('a function of level function opens by its key or the master key, in header or query', async () => {
  assert.equal(await status('/api/guarded'), 401);
  assert.equal(await status('/api/guarded?code=wrong'), 401);
  assert.equal(await status(`/api/guarded?code=${keys.function}`), 200);
  assert.equal(await status('/api/guarded', { headers: { 'x-functions-key': keys.master } }), 200);
  const header = { 'x-functions-key': 'wrong' };
  assert.equal(await status(`/api/guarded?code=${keys.function}`, { headers: header }), 401);
});

test('a function of level admin opens by the master key only', async () => {
  assert.equal(await status(`/api/forAdmins?code=${keys.function}`), 401);
  assert.equal(await status(`/api/forAdmins?code=${keys.master}`), 200);
});

test('a function of level anonymous needs no key', async () => {
  assert.equal(await status('/api/accept', { method: 'POST' }), 202);
});

test('the Event Grid webhook opens by its system key', async () => {
  const path = '/runtime/webhooks/eventgrid?functionName=events';
  const event = { method: 'POST', body: '[]', headers: { 'aeg-event-type': 'Notification' } };
  assert.equal(await status(path, event), 401);
  assert.equal(await status(`${path}&code=${keys.function}`, event), 401);
  assert.equal(await status(`${path}&code=${keys.eventgrid_extension}`, event), 202);
});

test('the admin endpoints open by the master key only', async () => {
  assert.equal(await status('/admin/functions'), 401);
  assert.equal(await status(`/admin/functions?code=${keys.eventgrid_extension}`), 401);
  assert.equal(await status(`/admin/functions?code=${keys.master}`), 200);
});
