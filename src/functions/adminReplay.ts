import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `POST /api/admin/replay`: sends a range of records to another URL. */
export async function adminReplay(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('replay', request, context);
}

app.http('adminReplay', {
  methods: ['POST'],
  route: adminRoute('replay'),
  authLevel: 'admin',
  handler: adminReplay,
});
