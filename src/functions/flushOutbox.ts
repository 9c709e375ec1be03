import { app, type InvocationContext, type Timer } from '@azure/functions';
import { flushOnce } from '../composition/ingest.ts';
import { config } from '../composition/instance.ts';

/** Produces what waits in the outbox. */
export async function flushOutbox(_timer: Timer, context: InvocationContext): Promise<void> {
  await flushOnce(context);
}

app.timer('flushOutbox', { schedule: config.ingest.outbox.cron, handler: flushOutbox });
