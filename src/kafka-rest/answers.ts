import { z } from 'zod';
import { retryAfterMs } from '../shared/backoff.ts';
import type { HttpAnswer } from '../shared/http.ts';
import { isRawNumber, jsonOrUndefined } from '../shared/json.ts';
import { KafkaRestError } from './errors.ts';

/** An int64, sent as a JSON number or as a decimal string; never squeezed through a float. */
const int64 = z.unknown().transform((value, context): bigint => {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  const text = isRawNumber(value) ? value.rawJSON : value;
  if (typeof text === 'string' && /^-?\d+$/.test(text)) return BigInt(text);
  context.addIssue('must be an integer');
  return z.NEVER;
});

const broker = z.object({
  hostName: z.string(),
  port: z.int(),
  id: z.int(),
  rack: z.string().nullish(),
});

const partition = z
  .object({
    partition_id: z.int(),
    earliest_offset: int64,
    latest_offset: int64,
    leader: broker.nullish(),
    replicas: z.array(broker).nullish(),
    isr: z.array(broker).nullish(),
  })
  .transform((answer) => ({
    partition: answer.partition_id,
    earliestOffset: answer.earliest_offset,
    latestOffset: answer.latest_offset,
    leader: answer.leader ?? undefined,
    replicas: answer.replicas ?? [],
    isr: answer.isr ?? [],
  }));

const consumedRecord = z.object({
  key: z
    .string()
    .nullish()
    .transform((key) => key ?? null),
  value: z.string().nullable(),
  partition: z.int(),
  offset: int64,
  timestamp: int64,
  timestampType: z.string().nullish(),
});

const brokersAnswer = z.object({ brokers: z.array(broker) });
const topicsAnswer = z.object({ topics: z.array(z.string()) });
const partitionsAnswer = z.object({ partitions: z.array(partition) });
const recordsAnswer = z.preprocess(
  (answer) =>
    typeof answer === 'object' && answer !== null && 'records' in answer ? answer.records : answer,
  z.array(consumedRecord),
);
const errorAnswer = z.object({
  error_code: z.union([z.int(), z.string()]).nullish(),
  message: z.string().nullish(),
  error: z.unknown().optional(),
});
/** Proxies give error codes as numbers or strings, and errors as text or objects. */
const recordAnswer = z.object({
  partition: z.int().nullish(),
  offset: int64.nullish(),
  error_code: z.union([z.int(), z.string()]).nullish(),
  error: z.unknown().optional(),
});
const recordAnswers = z.array(recordAnswer);

/** A Kafka broker. */
export type Broker = z.output<typeof broker>;
/** A partition; `latestOffset` is the next offset to be written. */
export type Partition = z.output<typeof partition>;
/** A record as it was read: keys and values are text, whatever they were produced from. */
export type ConsumedRecord = z.output<typeof consumedRecord>;

/** A page of records and where to read next. An empty page does not mean that the end is reached. */
export interface Page {
  readonly records: readonly ConsumedRecord[];
  readonly nextOffset: bigint;
}

/** What became of one record of a produce call. Position is given where the proxy tells it. */
export type ProduceOutcome =
  | { readonly ok: true; readonly partition?: number; readonly offset?: bigint }
  | { readonly ok: false; readonly error: KafkaRestError };

/** Reads the answer of `brokers`. @throws {KafkaRestError} */
export function readBrokers(answer: HttpAnswer): Broker[] {
  return read(brokersAnswer, answer).brokers;
}

/** Reads the answer of `list topics`. @throws {KafkaRestError} */
export function readTopics(answer: HttpAnswer): string[] {
  return read(topicsAnswer, answer).topics;
}

/** Reads the answer of `partitions`. @throws {KafkaRestError} */
export function readPartitions(answer: HttpAnswer): Partition[] {
  return read(partitionsAnswer, answer).partitions;
}

/** Reads the answer of `partition`. @throws {KafkaRestError} */
export function readPartition(answer: HttpAnswer): Partition {
  return read(partition, answer);
}

/**
 * Reads a page: a bare array (the vendor's reference) or `{"records": [...]}` (the seed's sample). Without a
 * `NextOffset` header the walk goes on after the last record.
 *
 * @throws {KafkaRestError}
 */
export function readPage(answer: HttpAnswer, askedOffset: bigint): Page {
  const records = read(recordsAnswer, answer);
  const header = answer.headers.nextoffset;
  const last = records.at(-1);
  const afterLast = last === undefined ? askedOffset : last.offset + 1n;
  return { records, nextOffset: header !== undefined && /^\d+$/.test(header) ? BigInt(header) : afterLast };
}

/**
 * Reads the answer of `produce`, documented only as "string": every 2xx is success, unless the body reports
 * errors, of single records as `{"offsets": [{partition, offset, error_code, error}]}` (or the bare list), or of
 * the whole call.
 *
 * @throws {KafkaRestError} when the body reports errors that cannot be told apart by record.
 */
export function readProduceOutcomes(answer: HttpAnswer, recordCount: number): ProduceOutcome[] {
  const body = jsonOrUndefined(answer.body);
  if (typeof body !== 'object' || body === null)
    return Array.from({ length: recordCount }, () => ({ ok: true }));
  const list = Array.isArray(body) ? body : 'offsets' in body ? body.offsets : undefined;
  if (list === undefined) {
    const whole = errorAnswer.safeParse(body);
    if (!whole.success || isError(whole.data))
      throw unreadable(answer, 'it reports an error of the whole call');
    return Array.from({ length: recordCount }, () => ({ ok: true }));
  }
  const records = recordAnswers.safeParse(list);
  if (!records.success) throw unreadable(answer, z.prettifyError(records.error));
  if (records.data.length !== recordCount) {
    throw unreadable(answer, `it speaks of ${records.data.length} records where ${recordCount} were sent`);
  }
  return records.data.map((record) => outcomeOf(record, answer.status));
}

function outcomeOf(record: z.output<typeof recordAnswer>, status: number): ProduceOutcome {
  if (isError(record)) return { ok: false, error: recordError(record, status) };
  const { partition, offset } = record;
  const placed = typeof offset === 'bigint' && offset >= 0n;
  return { ok: true, ...(typeof partition === 'number' && { partition }), ...(placed && { offset }) };
}

/** Zero is Kafka's code for no error. */
function isError({
  error_code,
  error,
}: {
  error_code?: number | string | null | undefined;
  error?: unknown;
}): boolean {
  return Boolean(error) || (Boolean(error_code) && error_code !== '0');
}

/** The error that an answer outside 2xx stands for. */
export function readError(answer: HttpAnswer, nowMs: number): KafkaRestError {
  const { status } = answer;
  const parsed = errorAnswer.safeParse(jsonOrUndefined(answer.body));
  const proxyCode = parsed.success ? codeOf(parsed.data.error_code) : undefined;
  const said = parsed.success && parsed.data.message ? `: ${parsed.data.message.slice(0, 500)}` : '';
  const kind = statusKinds.find((row) => row.covers(status)) ?? otherStatus;
  return new KafkaRestError({
    code: kind.code,
    message: `the Kafka REST proxy answered ${status}${said}${kind.advice}`,
    retryable: kind.retryable,
    notTaken: kind.notTaken,
    status,
    proxyCode,
    retryAfterMs: retryAfterMs(answer.headers['retry-after'], nowMs),
  });
}

const statusKinds = [
  {
    covers: (status: number) => status === 401,
    code: 'kafka-rest.unauthorized',
    retryable: false,
    notTaken: true,
    advice: '; check tenant, client and scope under proxy.auth',
  },
  {
    covers: (status: number) => status === 403,
    code: 'kafka-rest.forbidden',
    retryable: false,
    notTaken: true,
    advice: '; add the identity to the security group that the proxy lets in',
  },
  {
    covers: (status: number) => status === 404,
    code: 'kafka-rest.not-found',
    retryable: false,
    notTaken: true,
    advice: '',
  },
  {
    covers: (status: number) => status === 429,
    code: 'kafka-rest.throttled',
    retryable: true,
    notTaken: true,
    advice: '',
  },
  {
    covers: (status: number) => status >= 400 && status < 500 && status !== 408,
    code: 'kafka-rest.refused',
    retryable: false,
    notTaken: true,
    advice: '',
  },
] as const;

// A 5xx, a 408, and whatever else is no 2xx (a redirect is not followed): the call may have been carried out.
const otherStatus = { code: 'kafka-rest.failed', retryable: true, notTaken: false, advice: '' } as const;

function read<T>(schema: z.ZodType<T>, answer: HttpAnswer): T {
  // Hardly any answer has an integer that a double cannot hold; the schema refuses those, and they are read exactly.
  const quick = schema.safeParse(jsonOrUndefined(answer.body, JSON.parse));
  if (quick.success) return quick.data;
  const parsed = schema.safeParse(jsonOrUndefined(answer.body));
  if (parsed.success) return parsed.data;
  throw unreadable(answer, z.prettifyError(parsed.error));
}

function recordError({ error_code, error }: z.output<typeof recordAnswer>, status: number): KafkaRestError {
  const said = typeof error === 'string' ? error : error ? JSON.stringify(error) : `error ${error_code}`;
  return new KafkaRestError({
    code: 'kafka-rest.record-failed',
    message: `the proxy could not write the record: ${said.slice(0, 500)}`,
    retryable: true,
    notTaken: false,
    status,
    proxyCode: codeOf(error_code),
  });
}

function codeOf(code: number | string | null | undefined): number | undefined {
  const number = Number(code ?? Number.NaN);
  return Number.isInteger(number) ? number : undefined;
}

function unreadable(answer: HttpAnswer, why: string): KafkaRestError {
  return new KafkaRestError({
    code: 'kafka-rest.unreadable',
    message: `the proxy's answer is not of the contract: ${why.slice(0, 500)}`,
    retryable: true,
    notTaken: false,
    status: answer.status,
  });
}
