import { app, type InvocationContext, type Timer } from '@azure/functions';
import { config, drainOnce } from '../composition.ts';

/** Walks what is new in every subscription and delivers it. */
export async function drain(_timer: Timer, context: InvocationContext): Promise<void> {
  await drainOnce(context);
}

app.timer('drain', { schedule: config.drain.cron, handler: drain });
