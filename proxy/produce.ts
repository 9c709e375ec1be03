import type { RecordError } from './faults.ts';
import type { TopicLog } from './log.ts';
import { createPartitioner, type Placeable } from './partitioner.ts';
import { findRecordTexts, type RecordTexts } from './record-texts.ts';
import { parseJsonBody } from './request-body.ts';
import { invalidRequest } from './rest-error.ts';
import { type Operation, param } from './routes.ts';
import type { TopicView } from './topic-view.ts';

/** `POST /v1/producer/topics/{topic}`: appends the records and answers where each of them is, in their order. */
export function createProduce(options: { log: TopicLog; view: TopicView }): Operation {
  const { log, view } = options;
  const partitionFor = createPartitioner();

  return (call) => {
    const topic = view.topic(param(call, 'topic'));
    const records = readProduceBody(call.body, topic.partitionCount);
    const { recordError } = call;
    const accepted = records
      .filter(({ value }) => !isHit(value, recordError))
      .map((record) => ({ ...record, partition: partitionFor(topic.name, topic.partitionCount, record) }));
    const offsets = log.append(topic.name, accepted);

    let next = 0;
    const answers = records.map(({ value }) => {
      if (recordError !== undefined && isHit(value, recordError)) return failureText(recordError);
      const { partition } = accepted[next] ?? {};
      return `{"partition":${partition},"offset":${offsets[next++]},"error_code":null,"error":null}`;
    });
    return { status: 200, body: `{"offsets":[${answers.join(',')}]}` };
  };
}

function isHit(value: string, recordError: RecordError | undefined): boolean {
  return recordError !== undefined && value.includes(recordError.valueIncludes ?? '');
}

function failureText({ errorCode, message }: RecordError): string {
  return `{"partition":null,"offset":null,"error_code":${errorCode},"error":${JSON.stringify(message)}}`;
}

/** A record as it will be stored, before it has a partition. */
interface ProducedRecord extends Placeable {
  readonly value: string;
}

/**
 * Reads `{"records":[{"value", "key"?, "partition"?}]}`. A string is stored as itself, any other JSON (`null` as a
 * value too: there are no tombstones) as the text it was sent in. A `null` key or partition is the same as none.
 *
 * @throws {RestError} invalid_request, naming the record.
 */
function readProduceBody(body: Buffer, partitionCount: number): ProducedRecord[] {
  const { text, value: parsed } = parseJsonBody(body);
  if (!isObject(parsed)) {
    throw invalidRequest(`The body must be a JSON object with "records", not ${kindOf(parsed)}.`);
  }
  const { records } = parsed;
  if (!Array.isArray(records)) {
    throw invalidRequest(`"records" must be a list of records, not ${kindOf(records)}.`);
  }
  if (records.length === 0) throw invalidRequest('"records" is empty: send at least one record.');

  const texts = records.every(isOfStrings) ? undefined : findRecordTexts(text);
  return records.map((record: unknown, index) =>
    readRecord({ record, texts: texts?.[index] ?? {}, where: `records[${index}]`, partitionCount }),
  );
}

/** Whether key and value are plain strings, so that their source texts need not be found. */
function isOfStrings(record: unknown): boolean {
  if (!isObject(record)) return false;
  return typeof record.value === 'string' && (typeof record.key === 'string' || record.key == null);
}

function readRecord(details: {
  record: unknown;
  texts: RecordTexts;
  where: string;
  partitionCount: number;
}): ProducedRecord {
  const { record, texts, where, partitionCount } = details;
  if (!isObject(record)) {
    throw invalidRequest(`${where} must be an object with a "value", not ${kindOf(record)}.`);
  }
  const value = storedText(record.value, texts.value, `${where}.value`);
  if (value === undefined) throw invalidRequest(`${where} has no "value".`);
  const key = record.key === null ? null : (storedText(record.key, texts.key, `${where}.key`) ?? null);
  return { key, value, partition: readPartition(record.partition, `${where}.partition`, partitionCount) };
}

function storedText(parsed: unknown, text: string | undefined, where: string): string | undefined {
  if (typeof parsed !== 'string') return text;
  // UTF-8 has no bytes for half a surrogate pair: it would come back as another character.
  if (!parsed.isWellFormed()) throw invalidRequest(`${where} holds an unpaired surrogate.`);
  return parsed;
}

function readPartition(value: unknown, where: string, partitionCount: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < partitionCount) {
    return value;
  }
  const shown = typeof value === 'number' ? value : kindOf(value);
  throw invalidRequest(
    `${where} must be an integer from 0 to ${partitionCount - 1} for this topic, not ${shown}.`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
