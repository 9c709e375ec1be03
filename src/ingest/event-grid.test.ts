import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromEventGrid } from './event-grid.ts';

const limits = { depthMax: 3 };

const event = { specversion: '1.0', id: 'e1', source: '/shop', type: 'com.example.made' };

test('an event of the Event Grid schema becomes the CloudEvent that Event Grid itself would make', () => {
  const converted = fromEventGrid(
    {
      id: '831e1650-001e-001b-66ab-eeb76e069631',
      topic: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a',
      subject: '/blobServices/default/containers/c/blobs/new-file.txt',
      eventType: 'Microsoft.Storage.BlobCreated',
      eventTime: '2017-06-26T18:41:00.9584103Z',
      data: { api: 'PutBlockList' },
      dataVersion: '',
      metadataVersion: '1',
    },
    limits,
  );
  assert.deepEqual(converted, {
    specversion: '1.0',
    id: '831e1650-001e-001b-66ab-eeb76e069631',
    source: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a',
    subject: '/blobServices/default/containers/c/blobs/new-file.txt',
    type: 'Microsoft.Storage.BlobCreated',
    time: '2017-06-26T18:41:00.9584103Z',
    datacontenttype: 'application/json',
    data: { api: 'PutBlockList' },
  });
  assert.deepEqual(fromEventGrid(event, limits), event);
  assert.throws(() => fromEventGrid({ id: 'x' }, limits), { code: 'event-grid.invalid' });
  assert.throws(() => fromEventGrid({ ...event, source: '' }, limits), /source must not be empty/);
});

test('an event that is nested more deeply than the limit is refused in either schema, the event counted', () => {
  const gridEvent = { id: '1', subject: 's', eventType: 'made', eventTime: '2026-01-31T12:00:00Z' };
  for (const base of [event, gridEvent]) {
    assert.ok(fromEventGrid({ ...base, data: { list: [] } }, limits));
    const tooDeep = { ...base, data: { list: [[]] } };
    assert.throws(() => fromEventGrid(tooDeep, limits), {
      code: 'event-grid.too-deep',
      message: /more than 3 deep/,
    });
    const bottomless = { ...base, data: JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) };
    assert.throws(() => fromEventGrid(bottomless, limits), { code: 'event-grid.too-deep' });
  }
});
