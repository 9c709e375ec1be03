import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `GET /api/admin/status`: what stands, waits and is stuck, and why. */
export async function adminStatus(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('status', request, context);
}

app.http('adminStatus', {
  methods: ['GET'],
  route: adminRoute('status'),
  authLevel: 'admin',
  handler: adminStatus,
});
