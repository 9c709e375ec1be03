import { app, type InvocationContext, output, type Timer } from '@azure/functions';
import { drainOnce, partitionQueue, planDrain } from '../composition/drain.ts';
import { config } from '../composition/instance.ts';

/** Walks what is new in every subscription and delivers it; or hands it to the queue, a partition a message. */
export async function drain(_timer: Timer, context: InvocationContext): Promise<unknown> {
  return config.drain.mode === 'queue' ? planDrain(context) : drainOnce(context);
}

app.timer('drain', {
  schedule: config.drain.cron,
  handler: drain,
  ...(config.drain.mode === 'queue' && { return: output.storageQueue(partitionQueue) }),
});
