import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { bridge, invocationOf } from '../composition/app.ts';

/** `GET /api/health`: 200 when configuration, proxy and storage work, else 503; each is reported. */
export async function health(_request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  const report = await bridge.health(invocationOf(context));
  return { status: report.healthy ? 200 : 503, jsonBody: report };
}

app.http('health', { methods: ['GET'], authLevel: 'anonymous', handler: health });
