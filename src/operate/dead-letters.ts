import type { Attempt, DeadLetter, DeadLetterEntry, DeadLetterState } from '../events/dead-letter.ts';
import { createGatedDelivery, type Stopped } from './gated-delivery.ts';
import { isoOf } from './iso-time.ts';
import type { OperateOptions } from './ports.ts';
import { OperateError } from './problem.ts';
import { claimLetter, isOfTheWayIn, overtaken, redriveLetter } from './redrive.ts';
import type { DiscardRequest, ListDeadLettersRequest, RedriveRequest } from './requests.ts';

/** No letter is begun on after this; with an attempt's timeout on top it is well below the platform's 230 s. */
const budgetMs = 60_000;
/** Letters read at once. */
const pageMax = 100;

/** What became of one letter. */
export interface LetterOutcome {
  readonly key: string;
  readonly outcome: 'redriven' | 'discarded' | 'failed' | 'filtered' | 'busy' | 'not-open';
  /** Why nothing came of it. */
  readonly error?: string;
}

/** What became of the letters that were chosen; `next` is where to go on when there may be more, else null. */
export interface LettersOutcome {
  readonly origin: string;
  readonly letters: readonly LetterOutcome[];
  readonly next: string | null;
  /** Why the others were not tried, where that is not for want of time. */
  readonly stopped?: Stopped;
}

/** A letter as a list shows it; its time is RFC 3339. */
export type DeadLetterView = Omit<DeadLetterEntry, 'atMs'> & { readonly at: string | null };

/**
 * Letters in the order of origins and keys. `next` is what `after` wants for the page behind; null at the end.
 *
 * @throws {OperateError} `unknown-origin`.
 */
export async function listDeadLetters(
  { subscriptions, deadLetters }: OperateOptions,
  { origin, state, max, after }: ListDeadLettersRequest,
): Promise<{ readonly letters: readonly DeadLetterView[]; readonly next: string | null }> {
  const from = after === undefined ? undefined : readCursor(after);
  if (origin !== undefined) await requireOrigin({ subscriptions, deadLetters }, origin);
  const origins = origin === undefined ? (await deadLetters.origins()).toSorted() : [origin];
  const found: DeadLetterEntry[] = [];
  for (const name of origins) {
    if (from !== undefined && name < from.origin) continue;
    if (found.length > max) break;
    const query = {
      // One more than is shown says whether there is a next page.
      max: max + 1 - found.length,
      ...(state !== undefined && { state }),
      ...(from?.origin === name && { afterKey: from.key }),
    };
    found.push(...(await deadLetters.list(name, query)));
  }
  const shown = found.slice(0, max);
  const last = shown.at(-1);
  return {
    letters: shown.map(({ atMs, ...entry }) => ({ ...entry, at: isoOf(atMs) })),
    next: found.length > max && last !== undefined ? `${last.origin} ${last.key}` : null,
  };
}

/** A letter, whole; its times are RFC 3339. */
export interface WholeLetter extends Omit<DeadLetter, 'atMs' | 'attempts'> {
  readonly key: string;
  readonly state: DeadLetterState;
  readonly at: string | null;
  readonly attempts: readonly (Omit<Attempt, 'atMs'> & { readonly at: string | null })[];
}

/** A letter, whole. @throws {OperateError} `unknown-dead-letter`. */
export async function getDeadLetter(
  options: OperateOptions,
  { origin, key }: { readonly origin: string; readonly key: string },
): Promise<WholeLetter> {
  const found = await options.deadLetters.get(origin, key);
  if (found === undefined) {
    const message = `${origin} has no letter "${key}"; list them to see the keys`;
    throw new OperateError('unknown-dead-letter', message);
  }
  const { atMs, attempts = [], payload, ...letter } = found.letter;
  return {
    ...letter,
    key,
    state: found.state,
    at: isoOf(atMs),
    attempts: attempts.map(({ atMs, ...attempt }) => ({ at: isoOf(atMs), ...attempt })),
    payload,
  };
}

/**
 * Tries letters again, now and one after another; what fails stays open, with the attempt added. Attempts keep to the
 * limits and the state of a subscription's endpoint, as those of the drain do; only `force` passes over the state.
 *
 * @throws {OperateError} `unknown-origin`, or `endpoint-stopped` when no letter can be tried.
 */
export async function redriveDeadLetters(
  options: OperateOptions,
  choice: RedriveRequest,
): Promise<LettersOutcome> {
  const { origin, after, force: ownState = false } = choice;
  const subscription = options.subscriptions.get(origin);
  const delivery = subscription && createGatedDelivery(options, { ...subscription, name: origin, ownState });
  const redriven = await forEachChosen(
    options,
    choice,
    async (key) => (await delivery?.stopped()) ?? redriveLetter(options, { origin, key, delivery }),
  );
  const { letters, stopped } = redriven;
  if (stopped === undefined || letters.length > 0 || after !== undefined) return redriven;
  const { why, goOnInMs } = stopped;
  const wait = goOnInMs === null ? '' : `ask again in ${Math.ceil(goOnInMs / 1_000)} s, `;
  const message = `${why}; ${wait}resume ${origin} first, or redrive all the same: --force, or "force": true`;
  throw new OperateError('endpoint-stopped', message);
}

/** Gives letters up for good. They stay readable. @throws {OperateError} `unknown-origin`. */
export function discardDeadLetters(options: OperateOptions, choice: DiscardRequest): Promise<LettersOutcome> {
  const { deadLetters, report } = options;
  return forEachChosen(options, choice, async (key) => {
    const { origin } = choice;
    const held = await claimLetter(options, origin, key);
    if (!('claim' in held)) return held;
    const settled = await deadLetters.settle(origin, key, { claim: held.claim, state: 'discarded' });
    if (!settled) return overtaken(key, 'not discarded');
    report.warn('operate.discarded', { origin, key });
    return { key, outcome: 'discarded' };
  });
}

async function forEachChosen(
  options: OperateOptions,
  { origin, keys, max = 0, after }: DiscardRequest,
  work: (key: string) => Promise<LetterOutcome | Stopped>,
): Promise<LettersOutcome> {
  await requireOrigin(options, origin);
  const untilMs = options.clock.now() + budgetMs;
  const letters: LetterOutcome[] = [];
  let page = (keys ?? []).filter((key) => after === undefined || key > after).sort();
  let last = after;
  for (;;) {
    if (keys === undefined)
      page = await openKeys(options, origin, Math.min(pageMax, max - letters.length), last);
    for (const key of page) {
      // The key before this one is where to go on.
      if (options.clock.now() >= untilMs) return { origin, letters, next: last ?? '' };
      const outcome = await work(key);
      if ('why' in outcome) return { origin, letters, next: last ?? '', stopped: outcome };
      letters.push(outcome);
      last = key;
    }
    if (keys !== undefined || page.length === 0) return { origin, letters, next: null };
    if (letters.length >= max) return { origin, letters, next: last ?? null };
  }
}

/** A slip of the pen must not look like good news: that nothing is there. */
async function requireOrigin(
  { subscriptions, deadLetters }: Pick<OperateOptions, 'subscriptions' | 'deadLetters'>,
  origin: string,
): Promise<void> {
  if (subscriptions.has(origin) || isOfTheWayIn(origin)) return;
  const origins = await deadLetters.origins();
  if (origins.includes(origin)) return;
  const message = `"${origin}" is no subscription, and there are no dead letters of it; there are some of: ${origins.join(', ') || '(nobody)'}`;
  throw new OperateError('unknown-origin', message);
}

async function openKeys(
  { deadLetters }: OperateOptions,
  origin: string,
  max: number,
  afterKey: string | undefined,
): Promise<string[]> {
  const query = { max, state: 'open', ...(afterKey !== undefined && { afterKey }) } as const;
  return (await deadLetters.list(origin, query)).map(({ key }) => key);
}

/** Neither origins nor keys hold a space. */
function readCursor(after: string): { origin: string; key: string } {
  const [origin, key, ...rest] = after.split(' ');
  if (origin === undefined || key === undefined || rest.length > 0) {
    throw new OperateError('invalid-request', 'after must be what the page before answered as next');
  }
  return { origin, key };
}
