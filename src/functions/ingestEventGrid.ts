import { app, type InvocationContext } from '@azure/functions';
import { accept } from '../composition.ts';
import { assertProduced } from '../ingest/accept.ts';
import { fromEventGrid } from '../ingest/event-grid.ts';

/** One event from Event Grid, in either schema. Throwing makes Event Grid send it again. */
export async function ingestEventGrid(event: unknown, context: InvocationContext): Promise<void> {
  assertProduced(await accept([fromEventGrid(event)], context));
}

app.eventGrid('ingestEventGrid', { handler: ingestEventGrid });
