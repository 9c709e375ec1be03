import type { HttpRequest, InvocationContext } from '@azure/functions';
import type { OperationName } from '../operate/operate.ts';
import type { Answer } from '../shared/answer.ts';
import { bridge, invocationOf } from './app.ts';

/**
 * The route of an operator's endpoint, `/api/admin/<path>`. Azure lets no route begin with the word itself, whatever
 * the prefix (Azure/azure-functions-host, issue 1781); a parameter that can be nothing else may stand for it.
 */
export function adminRoute(path: string): string {
  return `{admin:regex(^admin$)}/${path}`;
}

/** Carries out what an operator asks for, by the query of the request or by its body. */
export async function operate(
  name: OperationName,
  request: HttpRequest,
  context: InvocationContext,
): Promise<Answer> {
  const query = Object.fromEntries(request.query);
  return bridge.operate(name, { query, body: await request.text() }, invocationOf(context));
}
