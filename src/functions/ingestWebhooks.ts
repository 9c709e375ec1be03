import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { bridge, invocationOf } from '../composition/app.ts';

/** `POST /api/webhooks/{source}`: a provider's webhook. Its signature is its key, so the route asks for no other. */
export async function ingestWebhooks(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  const webhook = {
    url: request.url,
    header: (name: string) => request.headers.get(name) ?? undefined,
    body: new Uint8Array(await request.arrayBuffer()),
  };
  return bridge.ingest.receiveFromProvider(request.params.source ?? '', webhook, invocationOf(context));
}

app.http('ingestWebhooks', {
  methods: ['POST'],
  route: 'webhooks/{source}',
  authLevel: 'anonymous',
  handler: ingestWebhooks,
});
