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

/** Takes a letter, so that nobody else moves it on meanwhile; without a claim: why it cannot be had. */
export async function claimLetter(
  { deadLetters, clock }: Pick<OperateOptions, 'deadLetters' | 'clock'>,
  origin: string,
  key: string,
): Promise<{ readonly claim: string } | LetterOutcome> {
  const nowMs = clock.now();
  const claimed = await deadLetters.claim(origin, key, { nowMs, untilMs: nowMs + claimMs });
  if (claimed.outcome === 'claimed') return claimed;
  if (claimed.outcome === 'not-open') return notOpen(key);
  const until = isoOf(claimed.untilMs);
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
  const held = await claimLetter(options, origin, key);
  if (!('claim' in held)) return held;
  const { claim } = held;
  const found = await deadLetters.get(origin, key);
  if (found === undefined) return notOpen(key);
  let tried: Tried | Stopped;
  if (delivery !== undefined) tried = await deliverLetter(delivery, found.letter);
  else if (isOfTheWayIn(origin)) tried = await produceLetter(options, found.letter);
  else tried = { outcome: 'failed', error: `there is no subscription "${origin}" any more; discard it` };
  if ('why' in tried) {
    await deadLetters.settle(origin, key, { claim, state: 'open' });
    return tried;
  }
  const { outcome, error, gated } = tried;
  const state = outcome === 'redriven' ? 'redriven' : 'open';
  const attempts = gated === undefined ? [] : [gated.attempt];
  const settled = await deadLetters.settle(origin, key, { claim, state, attempts });
  // The letter comes first: what was delivered is noted even when the endpoint's state cannot be stored.
  await gated?.leave();
  report.warn('operate.redrive', { origin, key, outcome, error, settled });
  if (!settled) return overtaken(key, error === undefined ? outcome : `${outcome}: ${error}`);
  return { key, outcome, ...(error !== undefined && { error }) };
}

/**
 * Whether an origin is of the way in: no subscription's name has a colon. What a subscription left behind stands in its
 * topic already, for all that read it.
 */
export function isOfTheWayIn(origin: string): boolean {
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

/** What is said of a letter that was not kept hold of until its end; `came` is what came of it here. */
export function overtaken(key: string, came: string): LetterOutcome {
  const error = `somebody else has taken it on meanwhile; here it was ${came}`;
  return { key, outcome: 'busy', error };
}

/** What is said of a key under which no letter waits for an operator. */
function notOpen(key: string): LetterOutcome {
  return { key, outcome: 'not-open', error: 'there is no letter of this key, or it is no longer open' };
}
