import { app, type InvocationContext } from '@azure/functions';
import * as composition from '../composition/drain.ts';
import { config } from '../composition/instance.ts';

/** Walks the one partition that a message names. */
export async function drainPartition(message: unknown, context: InvocationContext): Promise<void> {
  await composition.drainPartition(message, context);
}

if (config.drain.mode === 'queue') {
  app.storageQueue('drainPartition', { ...composition.partitionQueue, handler: drainPartition });
}
