import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `POST /api/admin/test-event`: sends a synthetic event to a subscription. */
export async function adminTestEvent(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('testEvent', request, context);
}

app.http('adminTestEvent', {
  methods: ['POST'],
  route: adminRoute('test-event'),
  authLevel: 'admin',
  handler: adminTestEvent,
});
