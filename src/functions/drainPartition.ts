import { app, type InvocationContext } from '@azure/functions';
import { bridge, config, invocationOf, partitionQueue } from '../composition/app.ts';

/** Walks the one partition that a message names. */
export async function drainPartition(message: unknown, context: InvocationContext): Promise<void> {
  await bridge.drain.walk(message, invocationOf(context));
}

if (config.drain.mode === 'queue') {
  app.storageQueue('drainPartition', { ...partitionQueue, handler: drainPartition });
}
