import { parseCloudEvent } from '../events/cloud-event.ts';
import { type TopicRecord, webhookIdOf } from '../events/record.ts';
import { parseJson } from '../shared/json.ts';

/** The type of the event made from a record that holds none. */
const recordType = 'kafka.record';

/**
 * The body of a delivery: one CloudEvent in structured mode. A record that holds a CloudEvent travels as it
 * stands, byte for byte; any other becomes the data of one, with JSON kept as JSON.
 */
export function structuredBody(record: TopicRecord): string {
  const value = record.value === null ? null : jsonOrText(record.value);
  if (record.value !== null && parseCloudEvent(value).ok) return record.value;
  const event = {
    specversion: '1.0',
    id: webhookIdOf(record),
    source: `/topics/${encodeURIComponent(record.topic)}/partitions/${record.partition}`,
    type: recordType,
    ...timeOf(record),
    datacontenttype: 'application/json',
    data: value,
  };
  const keyed = { ...event, partitionkey: record.key };
  // A key may hold what an attribute must not, such as control characters.
  return JSON.stringify(record.key !== null && parseCloudEvent(keyed).ok ? keyed : event);
}

/** No time where the broker keeps none that a date can hold. */
function timeOf(record: TopicRecord): { time?: string } {
  const date = new Date(Number(record.timestampMs));
  return Number.isNaN(date.getTime()) ? {} : { time: date.toISOString() };
}

function jsonOrText(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}
