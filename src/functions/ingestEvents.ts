import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { bridge, invocationOf } from '../composition/app.ts';

/** `POST /api/events/{source?}`: CloudEvents in any mode, or plain JSON for a source; `OPTIONS`: the handshake. */
export async function ingestEvents(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  const header = (name: string) => request.headers.get(name) ?? undefined;
  if (request.method === 'OPTIONS') {
    const handshake = {
      origin: header('webhook-request-origin'),
      callback: header('webhook-request-callback'),
      rate: header('webhook-request-rate'),
    };
    return bridge.ingest.shakeHands(handshake, invocationOf(context));
  }
  const events = {
    sourceName: request.params.source,
    headers: request.headers,
    body: new Uint8Array(await request.arrayBuffer()),
  };
  return bridge.ingest.receive(events, invocationOf(context));
}

app.http('ingestEvents', {
  methods: ['POST', 'OPTIONS'],
  route: 'events/{source?}',
  authLevel: 'function',
  handler: ingestEvents,
});
