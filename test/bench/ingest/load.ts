import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SluiceError } from '../../../src/shared/error.ts';
import { percentileOf } from '../statistics.ts';
import type { Tally } from '../tally.ts';
import { createAnswerReader } from './answer-reader.ts';
import { createEventMessage } from './event-message.ts';

/** Requests to make. They end after `measureMs`, or `eventsMax` events, whichever comes first. */
export interface LoadOptions {
  /** Where events are posted to. */
  readonly url: string;
  /** Keep-alive connections; each sends its next event as soon as the last one is answered. */
  readonly connections: number;
  /** Answers before this are counted, not timed. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly eventsMax: number;
}

/** What a load came to; latencies are those of answers after the warm-up. */
export interface LoadResult {
  readonly acknowledged: Tally;
  readonly eventsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Takes one load after another. */
export type RunLoad = (options: LoadOptions) => Promise<LoadResult>;

const answerTimeoutMs = 30_000;

/**
 * Sends events in a closed loop and waits for every answer, so that nothing is under way when it ends.
 *
 * @throws {SluiceError} at the first answer that is not 202, or when none comes for 30 seconds.
 */
export const runLoad: RunLoad = async (options) => {
  const url = new URL(options.url);
  const startMs = performance.now() + options.warmUpMs;
  const endMs = startMs + options.measureMs;
  const latenciesMs: number[] = [];
  let sent = 0;
  let lastAnswerMs = startMs;
  const acknowledged = { events: 0, idSum: 0 };

  const nextId = () => {
    if (sent >= options.eventsMax || performance.now() >= endMs) return undefined;
    sent += 1;
    return sent;
  };
  const onAcknowledged = (id: number, sentMs: number) => {
    const nowMs = performance.now();
    acknowledged.events += 1;
    acknowledged.idSum += id;
    if (nowMs < startMs || nowMs >= endMs) return;
    lastAnswerMs = nowMs;
    latenciesMs.push(nowMs - sentMs);
  };
  await Promise.all(
    Array.from({ length: options.connections }, () => runConnection({ url, nextId, onAcknowledged })),
  );
  if (latenciesMs.length === 0)
    throw notAcknowledged(`not given within ${options.measureMs} ms of measuring`);
  const latencies = Float64Array.from(latenciesMs);
  return {
    acknowledged,
    eventsPerSecond: (latencies.length / (lastAnswerMs - startMs)) * 1000,
    p50Ms: percentileOf(latencies, 0.5),
    p99Ms: percentileOf(latencies, 0.99),
  };
};

/** Sends on one connection until there is no next id. */
async function runConnection(work: {
  url: URL;
  nextId: () => number | undefined;
  onAcknowledged: (id: number, sentMs: number) => void;
}): Promise<void> {
  const { url, nextId, onAcknowledged } = work;
  const message = createEventMessage(url);
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  let id: number | undefined;
  let sentMs = 0;
  const sendNext = () => {
    id = nextId();
    if (id === undefined) {
      socket.end();
      return;
    }
    message.setId(id);
    sentMs = performance.now();
    socket.write(message.bytes);
  };
  const take = createAnswerReader((status, body) => {
    if (status !== 202 || id === undefined)
      throw notAcknowledged(`${status} ${body.toString('utf8', 0, 500)}`);
    onAcknowledged(id, sentMs);
    sendNext();
  });
  socket.on('data', (chunk) => {
    try {
      take(chunk);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
    }
  });
  socket.once('connect', sendNext);
  await closed(socket, () => id !== undefined);
}

/** Resolves when the connection has ended; rejects when it broke, or left a request unanswered. */
async function closed(socket: Socket, isWaiting: () => boolean): Promise<void> {
  socket.setTimeout(answerTimeoutMs, () =>
    socket.destroy(notAcknowledged(`nothing for ${answerTimeoutMs} ms`)),
  );
  // Rejects with the error that destroyed the socket.
  await once(socket, 'close');
  if (isWaiting()) throw notAcknowledged('nothing: the connection was closed');
}

function notAcknowledged(answer: string): SluiceError {
  return new SluiceError({
    code: 'bench.not-acknowledged',
    message: `an event was to be answered 202, but the answer was ${answer}`,
    retryable: false,
  });
}
