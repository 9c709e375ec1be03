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
  const { value } = record;
  const parsed = value === null ? undefined : jsonOrUndefined(value);
  if (value !== null && parsed !== undefined && parseCloudEvent(parsed).ok) return value;
  const event = {
    specversion: '1.0',
    id: webhookIdOf(record),
    source: `/topics/${encodeURIComponent(record.topic)}/partitions/${record.partition}`,
    type: recordType,
    ...timeOf(record),
    datacontenttype: 'application/json',
  };
  const keyed = { ...event, partitionkey: record.key };
  // A key may hold what an attribute must not, such as control characters.
  const attributes = JSON.stringify(record.key !== null && parseCloudEvent(keyed).ok ? keyed : event);
  // The text of the value is put in as it stands: however deep it is nested, it is not written anew.
  const data = parsed === undefined ? JSON.stringify(value) : value;
  return `${attributes.slice(0, -1)},"data":${data}}`;
}

/** No time where the broker keeps none that a date can hold. */
function timeOf(record: TopicRecord): { time?: string } {
  const date = new Date(Number(record.timestampMs));
  return Number.isNaN(date.getTime()) ? {} : { time: date.toISOString() };
}

/** Undefined for what is no JSON, and for what is nested too deeply to be read. */
function jsonOrUndefined(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
