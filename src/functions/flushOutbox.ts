import { app, type InvocationContext, type Timer } from '@azure/functions';
import { bridge, config, invocationOf } from '../composition/app.ts';

/** Produces what waits in the outbox. */
export async function flushOutbox(_timer: Timer, context: InvocationContext): Promise<void> {
  await bridge.ingest.flush(invocationOf(context));
}

app.timer('flushOutbox', { schedule: config.ingest.outbox.cron, handler: flushOutbox });
