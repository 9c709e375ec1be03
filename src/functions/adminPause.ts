import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `POST /api/admin/pause`: stops a subscription. */
export async function adminPause(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('pause', request, context);
}

app.http('adminPause', {
  methods: ['POST'],
  route: adminRoute('pause'),
  authLevel: 'admin',
  handler: adminPause,
});
