import { type FlushSummary, flushOutbox } from '../ingest/outbox.ts';
import type { Kafka } from './kafka.ts';
import { type Invocation, ownerOf, type Surroundings } from './surroundings.ts';

const flushBackoff = { baseMs: 1_000, capMs: 60_000 };
const flushTopicsMax = 8;
const flushPageBatches = 4;
const sweptReceiptsMax = 1_000;

/** Wires the flush of the outbox, which also forgets receipts that have expired. */
export function composeFlush(
  { clock, config, newId, random, stores, telemetry }: Surroundings,
  { write, writeMs }: Kafka,
): (invocation: Invocation) => Promise<FlushSummary> {
  const { budgetMs, leaseMs, ordering } = config.ingest.outbox;
  /** Leases that a flush could not give up; see `FlushOptions`. */
  const abandonedLeases = new Map<string, string>();
  return async (invocation) => {
    const summary = await flushOutbox({
      outbox: await stores.outbox(),
      write,
      deadLetters: await stores.deadLetters(),
      clock,
      random,
      report: invocation.report,
      telemetry,
      owner: ownerOf(invocation, newId),
      abandonedLeases,
      ordering,
      limits: {
        budgetMs,
        produceMs: writeMs,
        leaseMs,
        topicsMax: flushTopicsMax,
        pageBatches: flushPageBatches,
        backoff: flushBackoff,
      },
    });
    await (await stores.receipts()).sweep(clock.now(), sweptReceiptsMax);
    return summary;
  };
}
