import assert from 'node:assert/strict';
import { test } from 'node:test';
import examplesFile from '@octokit/webhooks-examples' with { type: 'json' };
import { sign, verify } from '@octokit/webhooks-methods';
import { parseCloudEvent } from '../../events/cloud-event.ts';
import { Secret } from '../../shared/secret.ts';
import { createReadWebhook } from './read-webhook.ts';

const secret = "It's a Secret to Everybody";
const arrivedAt = '2026-11-22T12:00:00.000Z';

const readWebhook = createReadWebhook({
  sources: { github: { type: 'github.delivery', auth: { kind: 'github', secrets: [new Secret(secret)] } } },
  send: () => Promise.reject(new Error('nothing is fetched here')),
  newId: () => 'new-id',
  limits: { depthMax: 64 },
});

async function deliver(event: string, body: string, signature: string, contentType = 'application/json') {
  const headers: Record<string, string> = {
    'content-type': contentType,
    'x-github-event': event,
    'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    'x-hub-signature-256': signature,
  };
  const result = await readWebhook(
    'github',
    {
      url: 'https://bridge.example/api/webhooks/github',
      header: (name) => headers[name],
      body: Buffer.from(body),
    },
    Date.parse(arrivedAt),
  );
  return 'event' in result ? result.event : undefined;
}

/** The package's own declaration describes the payloads, not the file. */
const definitions = examplesFile as unknown as readonly {
  readonly name: string;
  readonly examples: readonly {
    readonly action?: string;
    readonly repository?: { readonly full_name: string };
  }[];
}[];

test("every real payload that octokit signs verifies here, and tells of itself in the event's attributes", async () => {
  let deliveries = 0;
  for (const { name, examples } of definitions) {
    for (const payload of examples) {
      const body = JSON.stringify(payload);
      const event = await deliver(name, body, await sign(secret, body));
      assert.ok(event !== undefined && parseCloudEvent(event).ok, name);
      assert.equal(event.id, '72d3162e-cc78-11e3-81ab-4c9367dc0958');
      assert.equal(
        event.type,
        `com.github.${name}${payload.action === undefined ? '' : `.${payload.action}`}`,
      );
      assert.equal(event.subject, payload.repository?.full_name);
      assert.deepEqual(event.data, payload);
      deliveries += 1;
    }
  }
  assert.ok(deliveries > 250, String(deliveries));
});

test('a real payload with one byte changed is refused here as octokit refuses it', async () => {
  for (const { name, examples } of definitions) {
    const body = JSON.stringify(examples[0]);
    const signature = await sign(secret, body);
    const changed = body.replace(/\d/, (digit) => String((Number(digit) + 1) % 10));
    assert.notEqual(changed, body, name);
    assert.equal(await verify(secret, changed, signature), false);
    assert.equal(await deliver(name, changed, signature), undefined, name);
  }
});

test('the time is that of the object the event is about, else the time of arrival', async () => {
  const timeOf = async (event: string, payload: object) => {
    const body = JSON.stringify(payload);
    return (await deliver(event, body, await sign(secret, body)))?.time;
  };
  const at = '2019-05-15T15:20:33Z';
  assert.equal(await timeOf('issues', { issue: { updated_at: at } }), at);
  assert.equal(
    await timeOf('issue_comment', { issue: { updated_at: 'x' }, comment: { updated_at: at } }),
    at,
  );
  assert.equal(await timeOf('pull_request', { pull_request: { updated_at: at } }), at);
  assert.equal(await timeOf('pull_request_review', { review: { submitted_at: at } }), at);
  assert.equal(await timeOf('check_suite', { check_suite: { updated_at: 'yesterday' } }), arrivedAt);
  assert.equal(await timeOf('push', { head_commit: { timestamp: at } }), arrivedAt);
});

test('a webhook set to form encoding gives the same event', async () => {
  const body = `payload=${encodeURIComponent('{"action":"opened","number":1}')}`;
  const event = await deliver(
    'pull_request',
    body,
    await sign(secret, body),
    'application/x-www-form-urlencoded',
  );
  assert.equal(event?.type, 'com.github.pull_request.opened');
  assert.deepEqual(event?.data, { action: 'opened', number: 1 });
  assert.equal(event?.datacontenttype, 'application/json');
});
