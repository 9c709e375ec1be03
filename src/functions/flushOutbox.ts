import { app, type InvocationContext, type Timer } from '@azure/functions';
import { config, flushOnce } from '../composition.ts';

/** Produces what waits in the outbox. */
export async function flushOutbox(_timer: Timer, context: InvocationContext): Promise<void> {
  await flushOnce(context);
}

app.timer('flushOutbox', { schedule: config.ingest.outbox.cron, handler: flushOutbox });
