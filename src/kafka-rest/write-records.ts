import type { WriteOutcome, WriteRecords } from '../ingest/ports.ts';
import { SluiceError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { ProduceOutcome } from './answers.ts';
import type { KafkaRest } from './client.ts';
import { KafkaRestError } from './errors.ts';
import type { TopicCreation } from './topic-creation.ts';

/** What writing needs; without `creation` a missing topic stays missing. */
export interface WriteRecordsOptions {
  readonly client: KafkaRest;
  readonly creation?: TopicCreation | undefined;
  readonly report: Log;
}

/** Ingest's way to write, by producer calls to the proxy. */
export function createWriteRecords({ client, creation, report }: WriteRecordsOptions): WriteRecords {
  const produce: WriteRecords = async (topic, records) => {
    await creation?.ensure(topic, report);
    try {
      return (await client.produce(topic, records)).map(toOutcome);
    } catch (error) {
      const missing = error instanceof KafkaRestError && error.code === 'kafka-rest.not-found';
      if (!missing || creation === undefined) throw error;
      // Deleted since it was last seen.
      creation.forget(topic);
      await creation.ensure(topic, report);
      return (await client.produce(topic, records)).map(toOutcome);
    }
  };

  return async (topic, records) => {
    try {
      return await produce(topic, records);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      report.error('ingest.produce-failed', {
        topic,
        records: records.length,
        code: error.code,
        error: error.message,
      });
      return records.map(() => ({ ok: false, code: error.code, message: error.message }));
    }
  };
}

function toOutcome(outcome: ProduceOutcome): WriteOutcome {
  return outcome.ok ? outcome : { ok: false, code: outcome.error.code, message: outcome.error.message };
}
