import { app, type InvocationContext, output, type Timer } from '@azure/functions';
import { bridge, config, invocationOf, partitionQueue } from '../composition/app.ts';

/** Walks what is new in every subscription and delivers it; or hands it to the queue, a partition a message. */
export async function drain(_timer: Timer, context: InvocationContext): Promise<unknown> {
  const invocation = invocationOf(context);
  return config.drain.mode === 'queue' ? bridge.drain.plan(invocation) : bridge.drain.run(invocation);
}

app.timer('drain', {
  schedule: config.drain.cron,
  handler: drain,
  ...(config.drain.mode === 'queue' && { return: output.storageQueue(partitionQueue) }),
});
