import type { ServerResponse } from 'node:http';
import type { Clock } from '../src/shared/clock.ts';
import type { Answer } from './call.ts';
import type { FaultRule } from './faults.ts';

/**
 * Lets a call go wrong as `rule` says. Returns `undefined` where there is to be no answer: the connection is then
 * broken.
 */
export async function injectFault(options: {
  rule: FaultRule;
  /** Carries the call out as if nothing were wrong. */
  carryOut: () => Answer;
  response: ServerResponse;
  clock: Clock;
  /** Aborts when the proxy closes, which ends every wait. */
  closing: AbortSignal;
}): Promise<Answer | undefined> {
  const { rule, carryOut, response, clock, closing } = options;
  const gone = clientGone(response);
  if (rule.latencyMs !== undefined) {
    const isOver = await clock.sleep(rule.latencyMs, AbortSignal.any([gone, closing])).then(
      () => true,
      () => false,
    );
    if (!isOver) return undefined;
  }
  if (rule.drop === 'before') return undefined;
  if (rule.stall === 'before') return stall(gone, closing);
  if (rule.status !== undefined) return refusal(rule.status, rule.retryAfterSeconds);

  const answer = carryOut();
  if (rule.drop === 'after') return undefined;
  if (rule.stall === 'after') return stall(gone, closing);
  return answer;
}

function clientGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}

async function stall(gone: AbortSignal, closing: AbortSignal): Promise<undefined> {
  const either = AbortSignal.any([gone, closing]);
  if (either.aborted) return;
  await new Promise((resolve) => either.addEventListener('abort', resolve, { once: true }));
}

function refusal(status: number, retryAfterSeconds: number | undefined): Answer {
  return {
    status,
    headers: retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
    body: JSON.stringify({ error_code: status, message: 'This failure was injected by a fault rule.' }),
  };
}
