import type { Delivery } from '../delivery/deliver.ts';
import type { Verdict } from '../delivery/verdict.ts';
import type { Attempt, DeadLetter } from '../events/dead-letter.ts';
import type { LetterOutcome } from './dead-letters.ts';
import type { OperateOptions } from './ports.ts';
import { recordOf } from './record-payload.ts';

interface Tried {
  readonly outcome: 'redriven' | 'failed' | 'filtered';
  readonly error?: string;
  readonly attempt?: Attempt;
}

/** Tries one letter again: a subscription's at its endpoint, any other by producing it once more. */
export async function redriveLetter(
  options: OperateOptions,
  origin: string,
  key: string,
): Promise<LetterOutcome> {
  const { deadLetters, subscriptions, report } = options;
  const found = await deadLetters.get(origin, key);
  if (found?.state !== 'open') return notOpen(key);
  const delivery = subscriptions.get(origin)?.delivery;
  let tried: Tried;
  if (delivery !== undefined) tried = await deliverLetter(delivery, found.letter);
  else if (isOfTheWayIn(origin)) tried = await produceLetter(options, found.letter);
  else tried = { outcome: 'failed', error: `there is no subscription "${origin}" any more; discard it` };
  const { outcome, error, attempt } = tried;
  const redriven = outcome === 'redriven';
  if (redriven || attempt !== undefined) {
    const attempts = attempt === undefined ? [] : [attempt];
    await deadLetters.settle(origin, key, { state: redriven ? 'redriven' : 'open', attempts });
  }
  report.warn('operate.redrive', { origin, key, outcome, error });
  return { key, outcome, ...(error !== undefined && { error }) };
}

/** No subscription's name has a colon. What one left behind stands in its topic already, for all that read it. */
function isOfTheWayIn(origin: string): boolean {
  return origin.startsWith('ingest:') || origin.startsWith('outbox:');
}

async function deliverLetter(delivery: Delivery, { payload, attempts = [] }: DeadLetter): Promise<Tried> {
  const record = recordOf(payload);
  if (typeof record === 'string') return { outcome: 'failed', error: record };
  const preparation = await delivery.prepare(record);
  if (preparation.kind === 'filtered') {
    return { outcome: 'filtered', error: "the subscription's filter takes it out now; discard it" };
  }
  if (preparation.kind === 'failed') return { outcome: 'failed', error: preparation.reason.message };
  const { attempt, verdict } = await delivery.attempt([preparation.prepared], attempts.length);
  const error = failureOf(verdict);
  return error === undefined ? { outcome: 'redriven', attempt } : { outcome: 'failed', error, attempt };
}

async function produceLetter({ produceAgain }: OperateOptions, letter: DeadLetter): Promise<Tried> {
  const produced = await produceAgain(letter);
  return produced.ok ? { outcome: 'redriven' } : { outcome: 'failed', error: produced.error };
}

/** What is said of a key under which no letter waits for an operator. */
export function notOpen(key: string): LetterOutcome {
  return { key, outcome: 'not-open', error: 'there is no letter of this key, or it is no longer open' };
}

/** What went wrong with an attempt; undefined when nothing did. */
export function failureOf(verdict: Verdict): string | undefined {
  if (verdict.kind === 'done') return undefined;
  return verdict.kind === 'dead-letter' ? verdict.reason.message : verdict.error;
}
