import { app } from '@azure/functions';
import { receiveFromEventGrid } from '../composition.ts';

/** One event from Event Grid, in either schema. Throwing makes Event Grid send it again. */
export async function ingestEventGrid(event: unknown): Promise<void> {
  await receiveFromEventGrid(event);
}

app.eventGrid('ingestEventGrid', { handler: ingestEventGrid });
