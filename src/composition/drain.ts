import type { InvocationContext } from '@azure/functions';
import { createDrain, type Drain, type DrainSummary } from '../drain/drain.ts';
import { readWorkItem, type WorkItem } from '../drain/work-item.ts';
import { quote } from '../events/value-problem.ts';
import { subscriptions } from './deliveries.ts';
import { clock, config, logOf, once, ownerOf, telemetry } from './instance.ts';
import { log } from './kafka.ts';
import { checkpoints, deadLetters, parked } from './tables.ts';

/** The queue through which the timer hands partitions to the instances. */
export const partitionQueue = {
  queueName: `${config.storage.tablePrefix.toLowerCase()}-drain`,
  connection: 'AzureWebJobsStorage',
};

/** Made once an instance, since it knows how much is under way to each endpoint. */
const drain = once<Drain>(async () =>
  createDrain({
    subscriptions: [...subscriptions].map(([name, { settings, delivery }]) => ({
      name,
      ...settings,
      delivery,
      attemptMs: settings.endpoint.timeoutMs,
      limits: settings.endpoint,
    })),
    log,
    checkpoints: await checkpoints(),
    parked: await parked(),
    deadLetters: await deadLetters(),
    clock,
    telemetry,
    limits: config.drain,
  }),
);

/** Runs the drain once over all subscriptions. */
export async function drainOnce(context: InvocationContext): Promise<DrainSummary> {
  return (await drain()).run(contextOf(context));
}

/** The partitions that have something to do, one for each message. */
export async function planDrain(context: InvocationContext): Promise<WorkItem[]> {
  return (await drain()).plan(contextOf(context));
}

/** Walks the partition that a message names. @throws when it could not be read or written: the message comes back. */
export async function drainPartition(message: unknown, context: InvocationContext): Promise<void> {
  const item = readWorkItem(message);
  // It would be no better the next time.
  if (item === undefined) logOf(context).error('drain.unreadable-message', { message: quote(message) });
  else await (await drain()).walk(item, contextOf(context));
}

function contextOf(context: InvocationContext) {
  return { owner: ownerOf(context), report: logOf(context) };
}
