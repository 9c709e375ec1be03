import { type CloudEvent, parseCloudEvent } from '../events/cloud-event.ts';
import { type TopicRecord, webhookIdOf } from '../events/record.ts';
import { jsonOrUndefined, parseJson } from '../shared/json.ts';

/** The CloudEvent of a record: the one that it holds, or one made of it, whose data is the record's value. */
export interface RecordEvent {
  readonly event: CloudEvent;
  /** The event as JSON. One that the record holds stays as it stands there, byte for byte. */
  readonly text: string;
  /** The data as JSON, of a record that holds no event. */
  readonly dataText?: string;
}

/** The type of the event made from a record that holds none. */
const recordType = 'kafka.record';

/**
 * Reads the event that a record holds, or makes one, with JSON kept as JSON.
 *
 * @param parse `JSON.parse` where only the text is wanted: it costs less, and changes numbers that a double cannot
 * hold in `event`.
 */
export function eventOf(record: TopicRecord, parse: (text: string) => unknown = parseJson): RecordEvent {
  const { value } = record;
  const data = value === null ? null : jsonOrUndefined(value, parse);
  const parsed = data === undefined ? undefined : parseCloudEvent(data);
  if (value !== null && parsed?.ok) return { event: parsed.event, text: value };
  const attributes = attributesOf(record);
  // The text of the value is put in as it stands: however deep it is nested, it is not written anew.
  const dataText = value !== null && data !== undefined ? value : JSON.stringify(value);
  return {
    event: { ...attributes, data: data === undefined ? value : data },
    text: `${JSON.stringify(attributes).slice(0, -1)},"data":${dataText}}`,
    dataText,
  };
}

/** Whether a text is JSON. */
export function isJsonText(text: string): boolean {
  return jsonOrUndefined(text, JSON.parse) !== undefined;
}

function attributesOf(record: TopicRecord): CloudEvent {
  const event: CloudEvent = {
    specversion: '1.0',
    id: webhookIdOf(record),
    source: `/topics/${encodeURIComponent(record.topic)}/partitions/${record.partition}`,
    type: recordType,
    ...timeOf(record),
    datacontenttype: 'application/json',
  };
  if (record.key === null) return event;
  const keyed = { ...event, partitionkey: record.key };
  // A key may hold what an attribute must not, such as control characters.
  return parseCloudEvent(keyed).ok ? keyed : event;
}

/** No time where the broker keeps none that a date can hold. */
function timeOf(record: TopicRecord): { time?: string } {
  const date = new Date(Number(record.timestampMs));
  return Number.isNaN(date.getTime()) ? {} : { time: date.toISOString() };
}
