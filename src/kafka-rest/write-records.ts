import type { OutgoingRecord, WriteOutcome, WriteRecords } from '../ingest/ports.ts';
import { SluiceError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { ProduceOutcome } from './answers.ts';
import type { KafkaRest } from './client.ts';
import { KafkaRestError, type KafkaRestErrorCode } from './errors.ts';
import type { TopicCreation } from './topic-creation.ts';

/** What writing needs; without `creation` a missing topic stays missing. */
export interface WriteRecordsOptions {
  readonly client: KafkaRest;
  readonly creation?: TopicCreation | undefined;
  readonly report: Log;
}

/** Bad request, content too large, unprocessable content (RFC 9110, section 15.5). */
const contentStatuses = new Set([400, 413, 422]);
/** Failures that would meet whatever is sent now. */
const awayCodes = new Set<string>([
  'kafka-rest.unreachable',
  'kafka-rest.unauthorized',
  'kafka-rest.forbidden',
  'kafka-rest.throttled',
] satisfies KafkaRestErrorCode[]);
/** Kafka's error codes for a record that no broker will ever take: MESSAGE_TOO_LARGE, INVALID_RECORD. */
const lastingRecordCodes = new Set([10, 87]);

/**
 * Ingest's way to write, by producer calls to the proxy. A call that the proxy refuses as a whole, such as one with
 * a record too large, is taken apart until the refused record stands alone, so that it does not fail its neighbours;
 * where a part fails in a way that may pass, those behind it are not tried and fail likewise.
 */
export function createWriteRecords(options: WriteRecordsOptions): WriteRecords {
  const write: WriteRecords = async (topic, records) => {
    try {
      return await produce(options, topic, records);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      if (isAboutContent(error) && records.length > 1) return writeHalves(topic, records);
      const { code, message } = error;
      options.report.error('ingest.produce-failed', { topic, records: records.length, code, error: message });
      // A topic that the bridge makes itself may only not be visible everywhere yet.
      const unknownTopic = code === 'kafka-rest.not-found' && !options.creation?.makes(topic);
      const lasting = unknownTopic || isAboutContent(error);
      const away = awayCodes.has(code);
      return records.map(() => ({ ok: false, code, message, lasting, away }));
    }
  };
  const writeHalves = async (topic: string, records: readonly OutgoingRecord[]) => {
    const middle = Math.ceil(records.length / 2);
    const first = await write(topic, records.slice(0, middle));
    const passing = first.find((outcome) => !outcome.ok && !outcome.lasting);
    // What is to be tried again must not be overtaken by what comes after it.
    if (passing !== undefined) return [...first, ...records.slice(middle).map(() => passing)];
    return [...first, ...(await write(topic, records.slice(middle)))];
  };
  return write;
}

/** Whether a refusal is about what was sent, and not about the address or the moment (405, 409, a gateway's 4xx). */
function isAboutContent(error: SluiceError): boolean {
  return error instanceof KafkaRestError && error.status !== undefined && contentStatuses.has(error.status);
}

async function produce(
  { client, creation, report }: WriteRecordsOptions,
  topic: string,
  records: readonly OutgoingRecord[],
): Promise<WriteOutcome[]> {
  if (creation?.makes(topic)) await creation.ensure(topic, report);
  try {
    return (await client.produce(topic, records)).map(toOutcome);
  } catch (error) {
    const missing = error instanceof KafkaRestError && error.code === 'kafka-rest.not-found';
    if (!missing || !creation?.makes(topic)) throw error;
    // Deleted since it was last seen.
    creation.forget(topic);
    await creation.ensure(topic, report);
    return (await client.produce(topic, records)).map(toOutcome);
  }
}

function toOutcome(outcome: ProduceOutcome): WriteOutcome {
  if (outcome.ok) return outcome;
  const { code, message, proxyCode } = outcome.error;
  return { ok: false, code, message, lasting: proxyCode !== undefined && lastingRecordCodes.has(proxyCode) };
}
