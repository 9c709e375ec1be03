import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { adminRoute, operate } from '../composition/admin.ts';

/** `POST /api/admin/resume`: lets a subscription go on. */
export async function adminResume(
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  return operate('resume', request, context);
}

app.http('adminResume', {
  methods: ['POST'],
  route: adminRoute('resume'),
  authLevel: 'admin',
  handler: adminResume,
});
