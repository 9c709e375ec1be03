import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `POST /api/admin/seek`: moves checkpoints. */
export async function adminSeek(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  return operate('seek', request, context);
}

app.http('adminSeek', {
  methods: ['POST'],
  route: adminRoute('seek'),
  authLevel: 'admin',
  handler: adminSeek,
});
