import { type Backoff, fullJitterMs } from '../shared/backoff.ts';
import { type Clock, noLongerNeeded, type Random } from '../shared/clock.ts';
import { type HttpAnswer, HttpError, type HttpSend } from '../shared/http.ts';
import { withoutSecrets } from '../shared/secret.ts';
import type { Tokens } from '../shared/tokens.ts';
import {
  type Broker,
  type Page,
  type Partition,
  type ProduceOutcome,
  readBrokers,
  readError,
  readPage,
  readPartition,
  readPartitions,
  readProduceOutcomes,
  readTopics,
} from './answers.ts';
import { KafkaRestError } from './errors.ts';
import {
  consumeRequest,
  createTopicRequest,
  getPartitionRequest,
  listBrokersRequest,
  listPartitionsRequest,
  listTopicsRequest,
  type ProduceRecord,
  type ProxyRequest,
  produceRequest,
  type TopicSettings,
} from './requests.ts';

/** What every call accepts: a signal that gives it up, and a deadline of its own in milliseconds. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * The seven operations of the HDInsight Kafka REST proxy (API reference, version v1), and the wait that a new
 * topic needs. Every method throws {@link KafkaRestError}, or a `TokenError` when no token can be had.
 */
export interface KafkaRest {
  listBrokers(options?: CallOptions): Promise<Broker[]>;
  listTopics(options?: CallOptions): Promise<string[]>;
  listPartitions(topic: string, options?: CallOptions): Promise<Partition[]>;
  getPartition(topic: string, partition: number, options?: CallOptions): Promise<Partition>;
  createTopic(topic: string, settings?: TopicSettings, options?: CallOptions): Promise<void>;
  /**
   * Writes records in one call; the outcomes stand in the order of the records. It is repeated only where the
   * proxy surely did not take it.
   */
  produce(topic: string, records: readonly ProduceRecord[], options?: CallOptions): Promise<ProduceOutcome[]>;
  /** Reads up to `count` records, or 6 MB, from `offset` on. */
  consume(
    position: { topic: string; partition: number; offset: bigint; count: number },
    options?: CallOptions,
  ): Promise<Page>;
  /**
   * Waits until a topic made elsewhere, or just now, is listed: the proxy caches metadata.
   *
   * @throws {KafkaRestError} `kafka-rest.not-listed` after `withinMs` milliseconds.
   */
  waitUntilListed(topic: string, options: CallOptions & { readonly withinMs: number }): Promise<void>;
}

/** What a client is made of. */
export interface KafkaRestOptions {
  /** `https://<cluster>-kafkarest.azurehdinsight.net`, without a slash at its end. */
  readonly url: string;
  readonly tokens: Pick<Tokens, 'current' | 'replace'>;
  readonly send: HttpSend;
  readonly clock: Clock;
  readonly random: Random;
  /** The longest wait for one answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly retry?: RetryLimits;
}

/** How often and how patiently a call is repeated. */
export interface RetryLimits extends Backoff {
  readonly attemptsMax: number;
  /** A proxy that asks for a longer wait than this is not waited for. */
  readonly retryAfterMsMax: number;
}

const defaultRetry: RetryLimits = { attemptsMax: 4, baseMs: 200, capMs: 5_000, retryAfterMsMax: 10_000 };
const listedPollMs = 500;

/** When a call that failed may be repeated. */
type Repeat = 'always' | 'when-not-taken';

/** Makes a client; it holds no connection of its own beyond the pool behind `send`. */
export function createKafkaRest(options: KafkaRestOptions): KafkaRest {
  const call = (request: ProxyRequest, repeat: Repeat, callOptions: CallOptions = {}) =>
    callWithRetry(options, request, repeat, callOptions);

  const client: KafkaRest = {
    listBrokers: async (callOptions) => readBrokers(await call(listBrokersRequest(), 'always', callOptions)),
    listTopics: async (callOptions) => readTopics(await call(listTopicsRequest(), 'always', callOptions)),
    listPartitions: async (topic, callOptions) =>
      readPartitions(await call(listPartitionsRequest(topic), 'always', callOptions)),
    getPartition: async (topic, partition, callOptions) =>
      readPartition(await call(getPartitionRequest(topic, partition), 'always', callOptions)),
    createTopic: async (topic, settings = {}, callOptions) => {
      await call(createTopicRequest(topic, settings), 'when-not-taken', callOptions);
    },
    produce: async (topic, records, callOptions) => {
      const answer = await call(produceRequest(topic, records), 'when-not-taken', callOptions);
      return readProduceOutcomes(answer, records.length);
    },
    consume: async (position, callOptions) =>
      readPage(await call(consumeRequest(position), 'always', callOptions), position.offset),
    waitUntilListed: async (topic, { withinMs, ...callOptions }) => {
      const untilMs = options.clock.now() + withinMs;
      while (!(await client.listTopics(callOptions)).includes(topic)) {
        if (options.clock.now() >= untilMs) throw notListed(topic, withinMs);
        await pause(options, listedPollMs, callOptions.signal);
      }
    },
  };
  return client;
}

async function callWithRetry(
  options: KafkaRestOptions,
  request: ProxyRequest,
  repeat: Repeat,
  callOptions: CallOptions,
): Promise<HttpAnswer> {
  const limits = options.retry ?? defaultRetry;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callOnce(options, request, callOptions);
    } catch (error) {
      const waitMs = waitBeforeRetry(error, attempt, repeat, limits, options.random);
      if (waitMs === undefined) throw error;
      await pause(options, waitMs, callOptions.signal);
    }
  }
}

/** How long to wait before another attempt; undefined when there is to be none. */
function waitBeforeRetry(
  error: unknown,
  attempt: number,
  repeat: Repeat,
  limits: RetryLimits,
  random: Random,
): number | undefined {
  if (!(error instanceof KafkaRestError) || !error.retryable || attempt >= limits.attemptsMax)
    return undefined;
  if (repeat === 'when-not-taken' && !error.notTaken) return undefined;
  const backoffMs = fullJitterMs(attempt, limits, random);
  if (error.retryAfterMs === undefined) return backoffMs;
  return error.retryAfterMs <= limits.retryAfterMsMax ? Math.max(error.retryAfterMs, backoffMs) : undefined;
}

/** One call; a 401 is answered by one forced refresh of the token and one repetition. */
async function callOnce(
  options: KafkaRestOptions,
  request: ProxyRequest,
  callOptions: CallOptions,
): Promise<HttpAnswer> {
  const token = await inTime(options, callOptions, () => options.tokens.current());
  let answer = await sendWithToken(options, request, token, callOptions);
  if (answer.status === 401) {
    const renewed = await inTime(options, callOptions, () => options.tokens.replace(token));
    answer = await sendWithToken(options, request, renewed, callOptions);
  }
  if (isSuccess(answer)) return answer;
  throw readError(answer, options.clock.now());
}

/** Waits for a token no longer than for an answer; the request for it goes on for whoever comes next. */
async function inTime(
  { clock, timeoutMs }: KafkaRestOptions,
  callOptions: CallOptions,
  acquire: () => Promise<string>,
): Promise<string> {
  const ended = new AbortController();
  const signal = callOptions.signal ? AbortSignal.any([ended.signal, callOptions.signal]) : ended.signal;
  const limitMs = callOptions.timeoutMs ?? timeoutMs;
  const overdue = clock.sleep(limitMs, signal).then(
    () => Promise.reject(notReached(`no token within ${limitMs} ms`, true)),
    // Once the race is over its outcome matters to nobody.
    () => (ended.signal.aborted ? '' : Promise.reject(notReached('the call was given up', false))),
  );
  try {
    return await Promise.race([acquire(), overdue]);
  } finally {
    ended.abort(noLongerNeeded);
    overdue.catch(() => undefined);
  }
}

async function pause(
  { clock }: KafkaRestOptions,
  delayMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await clock.sleep(delayMs, signal);
  } catch (cause) {
    throw notReached('the call was given up', false, cause);
  }
}

function notReached(message: string, retryable: boolean, cause?: unknown): KafkaRestError {
  return new KafkaRestError({ code: 'kafka-rest.unreachable', message, retryable, notTaken: true, cause });
}

async function sendWithToken(
  options: KafkaRestOptions,
  request: ProxyRequest,
  token: string,
  callOptions: CallOptions,
): Promise<HttpAnswer> {
  let answer: HttpAnswer;
  try {
    answer = await options.send({
      method: request.method,
      url: options.url + request.path,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(request.body !== undefined && { body: request.body }),
      timeoutMs: callOptions.timeoutMs ?? options.timeoutMs,
      ...(callOptions.signal !== undefined && { signal: callOptions.signal }),
    });
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new KafkaRestError({
      code: 'kafka-rest.unreachable',
      message: `the Kafka REST proxy did not answer: ${error.message}`,
      retryable: error.retryable,
      notTaken: error.neverSent,
      cause: error,
    });
  }
  // What a gateway says of a failure may repeat the headers that it was sent. Records stay as they are.
  return isSuccess(answer) ? answer : { ...answer, body: withoutSecrets(answer.body, [token]) };
}

function isSuccess({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300;
}

function notListed(topic: string, withinMs: number): KafkaRestError {
  return new KafkaRestError({
    code: 'kafka-rest.not-listed',
    message: `the topic ${topic} was not listed within ${withinMs} ms`,
    retryable: true,
    notTaken: true,
  });
}
