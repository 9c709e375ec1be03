import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/operate.ts';

/** `POST /api/admin/deadletters/redrive`: tries dead letters again. */
export async function adminRedrive(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  const query = Object.fromEntries(request.query);
  return operate('redriveDeadLetters', { query, body: await request.text() }, context);
}

app.http('adminRedrive', {
  methods: ['POST'],
  route: adminRoute('deadletters/redrive'),
  authLevel: 'admin',
  handler: adminRedrive,
});
