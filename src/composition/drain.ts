import { createDrain, type Drain, type DrainSummary } from '../drain/drain.ts';
import { readWorkItem, type WorkItem } from '../drain/work-item.ts';
import { quote } from '../events/value-problem.ts';
import { openOnce } from '../shared/open-once.ts';
import type { Deliveries } from './deliveries.ts';
import type { Kafka } from './kafka.ts';
import { type Invocation, ownerOf, type Surroundings } from './surroundings.ts';

/** The way out, as its triggers use it. */
export interface DrainPart {
  /** Runs the drain once over all subscriptions. */
  run(invocation: Invocation): Promise<DrainSummary>;
  /** The partitions that have something to do, one for each message. */
  plan(invocation: Invocation): Promise<WorkItem[]>;
  /** Walks the partition that a message names. @throws when it could not be read or written: the message comes back. */
  walk(message: unknown, invocation: Invocation): Promise<void>;
}

/** Wires the way out. */
export function composeDrain(
  { clock, config, newId, stores, telemetry }: Surroundings,
  { kafka, deliveries }: { readonly kafka: Kafka; readonly deliveries: Deliveries },
): DrainPart {
  // Made once an instance, since it knows how much is under way to each endpoint.
  const drain = openOnce<Drain>(async () =>
    createDrain({
      subscriptions: [...deliveries.subscriptions].map(([name, { settings, delivery }]) => ({
        name,
        ...settings,
        delivery,
        attemptMs: settings.endpoint.timeoutMs,
        limits: settings.endpoint,
      })),
      log: kafka.log,
      checkpoints: await stores.checkpoints(),
      parked: await stores.parked(),
      deadLetters: await stores.deadLetters(),
      clock,
      telemetry,
      limits: config.drain,
    }),
  );
  const contextOf = (invocation: Invocation) => ({
    owner: ownerOf(invocation, newId),
    report: invocation.report,
  });
  return {
    run: async (invocation) => (await drain()).run(contextOf(invocation)),
    plan: async (invocation) => (await drain()).plan(contextOf(invocation)),
    async walk(message, invocation) {
      const item = readWorkItem(message);
      // It would be no better the next time.
      if (item === undefined)
        invocation.report.error('drain.unreadable-message', { message: quote(message) });
      else await (await drain()).walk(item, contextOf(invocation));
    },
  };
}
