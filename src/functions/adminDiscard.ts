import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `POST /api/admin/deadletters/discard`: gives dead letters up for good. */
export async function adminDiscard(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('discardDeadLetters', request, context);
}

app.http('adminDiscard', {
  methods: ['POST'],
  route: adminRoute('deadletters/discard'),
  authLevel: 'admin',
  handler: adminDiscard,
});
