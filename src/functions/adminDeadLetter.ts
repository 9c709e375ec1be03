import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `GET /api/admin/deadletter`: one dead letter, whole. */
export async function adminDeadLetter(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('getDeadLetter', request, context);
}

app.http('adminDeadLetter', {
  methods: ['GET'],
  route: adminRoute('deadletter'),
  authLevel: 'admin',
  handler: adminDeadLetter,
});
