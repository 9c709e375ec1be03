import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromEventGrid } from './event-grid.ts';

const event = { specversion: '1.0', id: 'e1', source: '/shop', type: 'com.example.made' };

test('an event of the Event Grid schema becomes the CloudEvent that Event Grid itself would make', () => {
  const converted = fromEventGrid({
    id: '831e1650-001e-001b-66ab-eeb76e069631',
    topic: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a',
    subject: '/blobServices/default/containers/c/blobs/new-file.txt',
    eventType: 'Microsoft.Storage.BlobCreated',
    eventTime: '2017-06-26T18:41:00.9584103Z',
    data: { api: 'PutBlockList' },
    dataVersion: '',
    metadataVersion: '1',
  });
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
  assert.deepEqual(fromEventGrid(event), event);
  assert.throws(() => fromEventGrid({ id: 'x' }), { code: 'event-grid.invalid' });
  assert.throws(() => fromEventGrid({ ...event, source: '' }), /source must not be empty/);
});
