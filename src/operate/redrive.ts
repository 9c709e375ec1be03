import { failureOf } from '../delivery/verdict.ts';
import type { DeadLetter } from '../events/dead-letter.ts';
import type { LetterOutcome } from './dead-letters.ts';
import type { GatedAttempt, GatedDelivery, Stopped } from './gated-delivery.ts';
import { isoOf } from './iso-time.ts';
import type { OperateOptions } from './ports.ts';
import { recordOf } from './record-payload.ts';

interface Tried {
  readonly outcome: 'redriven' | 'failed' | 'filtered';
  readonly error?: string;
  readonly gated?: GatedAttempt;
}

/**
 * A claim to a letter outlasts what is done with it, an attempt or a produce, and what clocks disagree by. After a
 * crash the letter is free again once it has passed.
 */
const claimMs = 300_000;

/** Takes a letter, so that nobody else moves it on meanwhile; what is answered is why it cannot be had. */
export async function claimLetter(
  { deadLetters, clock }: Pick<OperateOptions, 'deadLetters' | 'clock'>,
  origin: string,
  key: string,
): Promise<LetterOutcome | undefined> {
  const nowMs = clock.now();
  const claim = await deadLetters.claim(origin, key, { nowMs, untilMs: nowMs + claimMs });
  if (claim.outcome !== 'busy') return claim.outcome === 'claimed' ? undefined : notOpen(key);
  const until = isoOf(claim.untilMs);
  const error = `somebody else has taken it on; if that broke off, it can be had again at ${until}`;
  return { key, outcome: 'busy', error };
}

/**
 * Tries one letter again: a subscription's at its endpoint, any other by producing it once more. Where the endpoint
 * takes nothing now, the letter stays as it was.
 */
export async function redriveLetter(
  options: OperateOptions,
  {
    origin,
    key,
    delivery,
  }: { readonly origin: string; readonly key: string; readonly delivery: GatedDelivery | undefined },
): Promise<LetterOutcome | Stopped> {
  const { deadLetters, report } = options;
  const refused = await claimLetter(options, origin, key);
  if (refused !== undefined) return refused;
  const found = await deadLetters.get(origin, key);
  if (found === undefined) return notOpen(key);
  let tried: Tried | Stopped;
  if (delivery !== undefined) tried = await deliverLetter(delivery, found.letter);
  else if (isOfTheWayIn(origin)) tried = await produceLetter(options, found.letter);
  else tried = { outcome: 'failed', error: `there is no subscription "${origin}" any more; discard it` };
  if ('why' in tried) {
    await deadLetters.settle(origin, key, { state: 'open' });
    return tried;
  }
  const { outcome, error, gated } = tried;
  const state = outcome === 'redriven' ? 'redriven' : 'open';
  await deadLetters.settle(origin, key, { state, attempts: gated === undefined ? [] : [gated.attempt] });
  // The letter comes first: what was delivered is noted even when the endpoint's state cannot be stored.
  await gated?.leave();
  report.warn('operate.redrive', { origin, key, outcome, error });
  return { key, outcome, ...(error !== undefined && { error }) };
}

/** No subscription's name has a colon. What one left behind stands in its topic already, for all that read it. */
function isOfTheWayIn(origin: string): boolean {
  return origin.startsWith('ingest:') || origin.startsWith('outbox:');
}

async function deliverLetter(
  delivery: GatedDelivery,
  { payload, attempts = [] }: DeadLetter,
): Promise<Tried | Stopped> {
  const record = recordOf(payload);
  if (typeof record === 'string') return { outcome: 'failed', error: record };
  const preparation = await delivery.prepare(record);
  if (preparation.kind === 'filtered') {
    return { outcome: 'filtered', error: "the subscription's filter takes it out now; discard it" };
  }
  if (preparation.kind === 'failed') return { outcome: 'failed', error: preparation.reason.message };
  const gated = await delivery.attempt([preparation.prepared], attempts.length);
  if ('why' in gated) return gated;
  const error = failureOf(gated.verdict);
  return error === undefined ? { outcome: 'redriven', gated } : { outcome: 'failed', error, gated };
}

async function produceLetter({ produceAgain }: OperateOptions, letter: DeadLetter): Promise<Tried> {
  const produced = await produceAgain(letter);
  return produced.ok ? { outcome: 'redriven' } : { outcome: 'failed', error: produced.error };
}

/** What is said of a key under which no letter waits for an operator. */
export function notOpen(key: string): LetterOutcome {
  return { key, outcome: 'not-open', error: 'there is no letter of this key, or it is no longer open' };
}
