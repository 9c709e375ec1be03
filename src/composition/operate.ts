import { randomUUID } from 'node:crypto';
import type { HttpRequest, InvocationContext } from '@azure/functions';
import { produceAgain } from '../ingest/produce-again.ts';
import { operate as carryOut, type OperationName } from '../operate/operate.ts';
import { createPace } from '../operate/pace.ts';
import type { OperateOptions } from '../operate/ports.ts';
import type { Answer } from '../shared/answer.ts';
import type { Log } from '../shared/log.ts';
import { openDelivery, subscriptions } from './deliveries.ts';
import { router } from './ingest.ts';
import { clock, logOf } from './instance.ts';
import { log, write } from './kafka.ts';
import { checkpoints, deadLetters, outbox } from './tables.ts';

const pace = createPace();
const operated = new Map(
  [...subscriptions].map(([name, { settings, delivery }]) => [
    name,
    { topics: settings.topics, settings, delivery },
  ]),
);

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
  return carryOut(() => operateOptions(logOf(context)), name, { query, body: await request.text() });
}

async function operateOptions(report: Log): Promise<OperateOptions> {
  return {
    subscriptions: operated,
    log,
    checkpoints: await checkpoints(),
    deadLetters: await deadLetters(),
    outbox: await outbox(),
    produceAgain: (letter) => produceAgain({ write, router }, letter),
    openDelivery,
    pace,
    clock,
    report,
    newId: randomUUID,
  };
}
