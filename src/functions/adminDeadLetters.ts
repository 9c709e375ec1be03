import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `GET /api/admin/deadletters`: lists dead letters. */
export async function adminDeadLetters(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('listDeadLetters', request, context);
}

app.http('adminDeadLetters', {
  methods: ['GET'],
  route: adminRoute('deadletters'),
  authLevel: 'admin',
  handler: adminDeadLetters,
});
