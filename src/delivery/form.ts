import { attributeOf, type CloudEvent, structuredContentType } from '../events/cloud-event.ts';
import { batchContentType } from '../events/http-binding.ts';
import { isJson, parseMediaType } from '../events/media-type.ts';
import type { TopicRecord } from '../events/record.ts';
import { assert } from '../shared/assert.ts';
import { SluiceError } from '../shared/error.ts';
import { isJsonText, type RecordEvent } from './record-event.ts';

/** How records are written into requests. `batch` and `array` write several into one. */
export type Form =
  | 'structured'
  | 'binary'
  | 'raw'
  | {
      readonly kind: 'batch' | 'array';
      readonly recordsMax: number;
      readonly bytesMax: number;
      readonly lingerMs: number;
    };

/** A record as it is written. */
export interface Written {
  readonly body: string | Uint8Array;
  /** What the form says in headers: the content type, and attributes in binary mode. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What is written: a record; its event, where the form or anything else asked for it; and whether it was changed. */
export interface Subject {
  readonly record: TopicRecord;
  readonly read: RecordEvent | undefined;
  /** True when the event is what a transform made of the record. */
  readonly transformed: boolean;
}

/** Writes records in one form. */
export interface Writer {
  /** What it writes of: the record alone, the text of its event, or the event. */
  readonly needs: 'record' | 'text' | 'event';
  /** @throws {UnwritableError} when the record cannot be written in this form, ever. */
  write(subject: Subject): Written;
  /** The body of a request from those of its records. */
  join(bodies: readonly (string | Uint8Array)[]): string | Uint8Array;
}

/** A record cannot be written in the form that is asked for. */
export class UnwritableError extends SluiceError {
  constructor(message: string) {
    super({ code: 'delivery.unwritable', message, retryable: false });
  }
}

/** Makes the writer of a form. */
export function createWriter(form: Form): Writer {
  if (form === 'structured') {
    return {
      needs: 'text',
      write: (subject) => withType(structuredType, eventRead(subject).text),
      join: only,
    };
  }
  if (form === 'binary') return { needs: 'event', write: writeBinary, join: only };
  if (form === 'raw') return { needs: 'record', write: writeRaw, join: only };
  return form.kind === 'batch'
    ? { needs: 'text', write: (subject) => withType(batchType, eventRead(subject).text), join: joinArray }
    : { needs: 'record', write: (subject) => withType(jsonType, writeElement(subject)), join: joinArray };
}

const structuredType = { 'content-type': `${structuredContentType}; charset=utf-8` };
const batchType = { 'content-type': `${batchContentType}; charset=utf-8` };
const jsonType = { 'content-type': 'application/json' };
const textType = { 'content-type': 'text/plain; charset=utf-8' };

function withType(headers: Written['headers'], body: string): Written {
  return { body, headers };
}

function only([body = '']: readonly (string | Uint8Array)[]): string | Uint8Array {
  return body;
}

function joinArray(bodies: readonly (string | Uint8Array)[]): string {
  return `[${bodies.join(',')}]`;
}

/** @throws {AssertionError} when it was not asked for; see {@link Writer.needs}. */
export function eventRead({ read }: Subject): RecordEvent {
  assert(read !== undefined, 'the event of a record is read before it is used');
  return read;
}

/** The value of a record as it stands. What a transform made is JSON. */
function writeRaw(subject: Subject): Written {
  if (subject.transformed) return withType(jsonType, jsonOf(eventRead(subject).event.data));
  const { value } = subject.record;
  if (value === null) return { body: '', headers: {} };
  return withType(isJsonText(value) ? jsonType : textType, value);
}

/** An element of an array: JSON as it stands, other text as a string, a tombstone as null. */
function writeElement(subject: Subject): string {
  if (subject.transformed) return jsonOf(eventRead(subject).event.data);
  const { value } = subject.record;
  return value !== null && isJsonText(value) ? value : JSON.stringify(value);
}

/** Binary mode (cloudevents/spec 1.0.2, bindings/http-protocol-binding.md, section 3.1). */
function writeBinary(subject: Subject): Written {
  const read = eventRead(subject);
  const { event } = read;
  const headers: Record<string, string> = {};
  for (const name of Object.keys(event)) {
    const value = name === 'datacontenttype' ? undefined : attributeOf(event, name);
    if (value !== undefined) headers[`ce-${name}`] = encodeHeader(value);
  }
  const contentType = event.datacontenttype ?? (event.data === undefined ? undefined : 'application/json');
  if (contentType !== undefined) headers['content-type'] = asContentType(contentType);
  return { headers, body: dataOf(read) };
}

/** The data themselves: bytes, text that is no JSON, or JSON (json-format.md, section 3.1.1). */
function dataOf({ event, dataText }: RecordEvent): string | Uint8Array {
  if (dataText !== undefined) return dataText;
  const { data, data_base64: base64, datacontenttype } = event;
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  if (data === undefined) return '';
  const holdsJson = datacontenttype === undefined || isJson(parseMediaType(datacontenttype));
  return typeof data === 'string' && !holdsJson ? data : jsonOf(data);
}

/**
 * The value of a header for that of an attribute (HTTP binding, section 3.1.3.2): space, double quote, percent sign,
 * and whatever is not printable ASCII, become the percent-encoded bytes of their UTF-8.
 */
function encodeHeader(value: string): string {
  if (/^[\x21\x23\x24\x26-\x7e]*$/.test(value)) return value;
  return value.replace(/[^\x21\x23\x24\x26-\x7e]+/g, (text) =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function asContentType(contentType: string): string {
  if (/^[\x20-\x7e]*$/.test(contentType)) return contentType;
  throw new UnwritableError('datacontenttype must be printable ASCII to stand in a header');
}

function jsonOf(data: CloudEvent['data']): string {
  try {
    return JSON.stringify(data) ?? 'null';
  } catch (error) {
    // Data that V8 can read may still be nested too deeply for it to write.
    const reason = error instanceof Error ? error.message : String(error);
    throw new UnwritableError(`data cannot be written as JSON: ${reason}`);
  }
}
