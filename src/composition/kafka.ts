import { fixedTopics } from '../ingest/route.ts';
import { createKafkaRest } from '../kafka-rest/client.ts';
import { acquireWith } from '../kafka-rest/credentials.ts';
import { createRecordLog } from '../kafka-rest/record-log.ts';
import { createTopicCreation } from '../kafka-rest/topic-creation.ts';
import { createWriteRecords } from '../kafka-rest/write-records.ts';
import { createHttpPool } from '../shared/http.ts';
import { createTokens } from '../shared/tokens.ts';
import { clock, config, random, report } from './instance.ts';

const connectTimeoutMs = 5_000;
/** A page of the consumer API holds 6 MB of records, and their escaping in JSON. */
const answerBytesMax = 64 * 1_048_576;
/** A call that fails is tried once more; then the outbox is the better place to wait. */
const produceRetry = { attemptsMax: 2, baseMs: 100, capMs: 500, retryAfterMsMax: 1_000 };

const { url, timeoutMs, connectionsMax, auth, scope, createTopics } = config.proxy;
const pool = createHttpPool({ clock, connectionsMax, connectTimeoutMs, answerBytesMax });
const tokens = createTokens({ acquire: acquireWith(auth, scope), clock });
const access = { url, tokens, send: pool.send, clock, random, timeoutMs };

/** The Kafka REST proxy. */
export const kafka = createKafkaRest(access);
/** Topics, to be read. */
export const log = createRecordLog(kafka);

const creation = createTopics
  ? createTopicCreation({
      client: kafka,
      topics: new Set(fixedTopics(config.routes)),
      settings: createTopics,
    })
  : undefined;

/** Writes records, and makes topics that routes name where the configuration says so. */
export const write = createWriteRecords({
  client: createKafkaRest({ ...access, retry: produceRetry }),
  creation,
  report,
});

/** The longest that one `write` can take: it is tried twice, each time after a token that may have to be asked for. */
export const writeMs = timeoutMs * 4;
