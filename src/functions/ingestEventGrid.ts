import { app, type InvocationContext } from '@azure/functions';
import { receiveFromEventGrid } from '../composition/ingest.ts';

/** One event from Event Grid, in either schema. Throwing makes Event Grid send it again. */
export async function ingestEventGrid(event: unknown, context: InvocationContext): Promise<void> {
  await receiveFromEventGrid(event, context);
}

app.eventGrid('ingestEventGrid', { handler: ingestEventGrid });
