import { app, type InvocationContext } from '@azure/functions';
import { bridge, invocationOf } from '../composition/app.ts';

/** One event from Event Grid, in either schema. Throwing makes Event Grid send it again. */
export async function ingestEventGrid(event: unknown, context: InvocationContext): Promise<void> {
  await bridge.ingest.receiveFromEventGrid(event, invocationOf(context));
}

app.eventGrid('ingestEventGrid', { handler: ingestEventGrid });
