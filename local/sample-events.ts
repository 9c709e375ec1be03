import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { CloudEvent } from '../src/events/cloud-event.ts';

/** An event to show the bridge with: how it is sent, and the paths of the sink where it is to arrive. */
export interface SampleEvent {
  readonly trigger: 'http' | 'event-grid';
  /** Path below the host's URL. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The id of the event, where the sender gives it. */
  readonly id: string | undefined;
  /** By the subscriptions of bridge.config.json. */
  readonly deliveredTo: readonly string[];
}

/** Where the events of the schedules are to arrive. */
export const scheduleDeliveredTo = ['/archive'];

/** Real deliveries of GitHub, one of each event, as npm `@octokit/webhooks-examples` publishes them. */
export function githubDeliveries(count: number): SampleEvent[] {
  const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as {
    readonly name: string;
    readonly examples: readonly unknown[];
  }[];
  return examples.slice(0, count).map(({ name, examples: [payload] }) => ({
    trigger: 'http',
    path: '/api/events/github',
    headers: { 'content-type': 'application/json', 'x-github-event': name },
    body: JSON.stringify(payload),
    id: undefined,
    deliveredTo: ['/audit', '/archive'],
  }));
}

/** Orders of a shop, as CloudEvents in structured mode. */
export function orders(count: number): SampleEvent[] {
  return numbers(count).map((number) => {
    const event: CloudEvent = {
      specversion: '1.0',
      id: randomUUID(),
      source: '/shop',
      type: 'com.example.order.placed',
      subject: `customer-${number % 5}`,
      datacontenttype: 'application/json',
      data: { order: number, total: 19.9 + number },
    };
    return {
      trigger: 'http',
      path: '/api/events/orders',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
      id: event.id,
      deliveredTo: ['/billing', '/archive'],
    };
  });
}

/** Blob events as Event Grid sends them, in both of its schemas by turns. */
export function storageEvents(count: number): SampleEvent[] {
  return numbers(count).map((number) => {
    const id = randomUUID();
    const event = number % 2 === 0 ? blobCreatedEventGrid(id, number) : blobCreatedCloudEvent(id, number);
    return {
      trigger: 'event-grid',
      path: '/runtime/webhooks/eventgrid?functionName=ingestEventGrid',
      headers: { 'content-type': 'application/json', 'aeg-event-type': 'Notification' },
      body: JSON.stringify([event]),
      id,
      deliveredTo: ['/archive'],
    };
  });
}

const storageAccount =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/demo/providers/Microsoft.Storage/storageAccounts/demo';

/** learn.microsoft.com, "Azure Blob Storage as an Event Grid source", Event Grid schema. */
function blobCreatedEventGrid(id: string, number: number): object {
  return {
    topic: storageAccount,
    subject: blobSubject(number),
    eventType: 'Microsoft.Storage.BlobCreated',
    id,
    data: blobData(number),
    dataVersion: '',
    metadataVersion: '1',
    eventTime: '2026-01-31T12:00:00.9584103Z',
  };
}

/** The same page, CloudEvents schema. */
function blobCreatedCloudEvent(id: string, number: number): object {
  return {
    source: storageAccount,
    subject: blobSubject(number),
    type: 'Microsoft.Storage.BlobCreated',
    time: '2026-01-31T12:00:00.9584103Z',
    id,
    specversion: '1.0',
    data: blobData(number),
  };
}

function blobSubject(number: number): string {
  return `/blobServices/default/containers/uploads/blobs/file-${number}.txt`;
}

function blobData(number: number): object {
  return {
    api: 'PutBlob',
    clientRequestId: randomUUID(),
    requestId: randomUUID(),
    eTag: '"0x8D4BCC2E4835CD0"',
    contentType: 'text/plain',
    contentLength: 524288 + number,
    blobType: 'BlockBlob',
    url: `https://demo.blob.core.windows.net/uploads/file-${number}.txt`,
    sequencer: '00000000000004420000000000028963',
    storageDiagnostics: { batchId: 'b68529f3-68cd-4744-baa4-3c0498ec19f0' },
  };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
