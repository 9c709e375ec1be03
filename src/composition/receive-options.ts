import { createBatcher } from '../ingest/batcher.ts';
import { createKeep } from '../ingest/keep.ts';
import { createOnce } from '../ingest/once.ts';
import { createOriginRate } from '../ingest/origin-rate.ts';
import { createPressure } from '../ingest/pressure.ts';
import { createReceipts } from '../ingest/receipts.ts';
import type { ReceiveOptions } from '../ingest/receive.ts';
import type { Router } from '../ingest/route.ts';
import { createReadWebhook } from '../ingest/verify/read-webhook.ts';
import type { HttpSend } from '../shared/http.ts';
import type { AddDeadLetter } from './dead-letters.ts';
import type { Kafka } from './kafka.ts';
import type { Surroundings } from './surroundings.ts';

/** Event Grid waits 30 s for an answer, and so do most; the outbox needs some of it. */
const answerWithinMs = 15_000;

/** What taking events in needs besides the surroundings. */
interface Parts {
  readonly kafka: Kafka;
  readonly router: Router;
  readonly deadLetter: AddDeadLetter;
  /** Reads the keys of token issuers. */
  readonly send: HttpSend;
}

/** Wires what takes events in: what recognises them, gathers them in batches and keeps them. */
export function receiveOptionsOf(surroundings: Surroundings, parts: Parts): ReceiveOptions {
  const { clock, config, newId, report, stores, telemetry } = surroundings;
  const { handshake } = config.ingest;
  return {
    router: parts.router,
    carry: createCarry(surroundings, parts),
    once: createOnce({
      receipts: {
        find: async (source, id) => createReceipts(await stores.receipts(), clock).find(source, id),
        save: async (source, id, fate, expiresAtMs) =>
          createReceipts(await stores.receipts(), clock).save(source, id, fate, expiresAtMs),
      },
      clock,
      report,
      telemetry,
    }),
    telemetry,
    sources: config.sources,
    pressure: createPressure(config.limits),
    originRate:
      handshake?.ratePerMinute === undefined
        ? undefined
        : createOriginRate({ ...handshake, ratePerMinute: handshake.ratePerMinute }, clock),
    readWebhook: createReadWebhook({
      sources: config.sources,
      send: parts.send,
      newId,
      limits: config.limits,
    }),
    limits: config.limits,
    newId,
    now: clock.now,
  };
}

function createCarry(
  { clock, config, report, stores, telemetry }: Surroundings,
  { kafka, deadLetter }: Parts,
): ReceiveOptions['carry'] {
  const { batch, outbox } = config.ingest;
  const carry = createKeep({
    write: kafka.write,
    outbox: outbox.enabled
      ? {
          add: async (topic, records, nowMs) => (await stores.outbox()).add(topic, records, nowMs),
          hasBacklog: async (topic) => (await stores.outbox()).hasBacklog(topic),
        }
      : undefined,
    ordering: outbox.ordering,
    deadLetter: ({ topic, record, code, message }) =>
      deadLetter(`ingest:${topic}`, {
        id: '',
        topic,
        payload: JSON.stringify(record),
        reason: { code, message },
      }),
    answerWithinMs,
    clock,
    report,
    telemetry,
  });
  return createBatcher({
    carry,
    clock,
    telemetry,
    limits: {
      lingerMs: batch.lingerMs,
      batchRecordsMax: batch.recordsMax,
      batchBytesMax: batch.bytesMax,
      // One call at a time keeps a topic's records in the order in which they came.
      callsMax: outbox.ordering === 'strict' ? 1 : batch.callsMax,
    },
  });
}
