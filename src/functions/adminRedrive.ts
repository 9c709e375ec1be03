import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `POST /api/admin/deadletters/redrive`: tries dead letters again. */
export async function adminRedrive(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('redriveDeadLetters', request, context);
}

app.http('adminRedrive', {
  methods: ['POST'],
  route: adminRoute('deadletters/redrive'),
  authLevel: 'admin',
  handler: adminRedrive,
});
