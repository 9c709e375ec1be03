import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { receive } from '../composition.ts';

/** `POST /api/events/{source?}`: a CloudEvent in structured mode, or plain JSON for a source. */
export async function ingestEvents(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return receive(
    {
      sourceName: request.params.source,
      contentType: request.headers.get('content-type') ?? undefined,
      binaryMode: request.headers.has('ce-specversion'),
      body: new Uint8Array(await request.arrayBuffer()),
    },
    context,
  );
}

app.http('ingestEvents', {
  methods: ['POST'],
  route: 'events/{source?}',
  authLevel: 'function',
  handler: ingestEvents,
});
