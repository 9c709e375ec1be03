import type { RecordLog } from '../drain/ports.ts';
import type { WriteRecords } from '../ingest/ports.ts';
import { fixedTopics } from '../ingest/route.ts';
import { createKafkaRest, type KafkaRest } from '../kafka-rest/client.ts';
import { createRecordLog } from '../kafka-rest/record-log.ts';
import { createTopicCreation } from '../kafka-rest/topic-creation.ts';
import { createWriteRecords } from '../kafka-rest/write-records.ts';
import { createTokens } from '../shared/tokens.ts';
import type { Surroundings } from './surroundings.ts';

const connectTimeoutMs = 5_000;
/** A page of the consumer API holds 6 MB of records, and their escaping in JSON. */
const answerBytesMax = 64 * 1_048_576;
/** A call that fails is tried once more; then the outbox is the better place to wait. */
const produceRetry = { attemptsMax: 2, baseMs: 100, capMs: 500, retryAfterMsMax: 1_000 };

/** The way to Kafka. */
export interface Kafka {
  /** The Kafka REST proxy. */
  readonly client: KafkaRest;
  /** Topics, to be read. */
  readonly log: RecordLog;
  /** Writes records, and makes topics that routes name where the configuration says so. */
  readonly write: WriteRecords;
  /** The longest that one `write` can take. */
  readonly writeMs: number;
}

/** Wires the way to Kafka. */
export function composeKafka(surroundings: Surroundings): Kafka {
  const { acquireWith, clock, config, openPool, random, report } = surroundings;
  const { url, timeoutMs, connectionsMax, auth, scope, createTopics } = config.proxy;
  const { send } = openPool({ clock, connectionsMax, connectTimeoutMs, answerBytesMax });
  const tokens = createTokens({ acquire: acquireWith(auth, scope), clock });
  const access = { url, tokens, send, clock, random, timeoutMs };
  const client = createKafkaRest(access);
  const creation = createTopics
    ? createTopicCreation({ client, topics: new Set(fixedTopics(config.routes)), settings: createTopics })
    : undefined;
  return {
    client,
    log: createRecordLog(client),
    write: createWriteRecords({
      client: createKafkaRest({ ...access, retry: produceRetry }),
      creation,
      report,
    }),
    // It is tried twice, each time after a token that may have to be asked for.
    writeMs: timeoutMs * 4,
  };
}
