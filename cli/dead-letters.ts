import type { DeadLetterView, LettersOutcome } from '../src/operate/dead-letters.ts';
import type { Stopped } from '../src/operate/gated-delivery.ts';
import {
  type Command,
  type Context,
  type Given,
  numberOf,
  show,
  stoppedText,
  textOf,
  UsageError,
  waitMsOf,
  wordOf,
} from './command.ts';
import { duration, grouped, table } from './table.ts';

/** Letters that one call is asked for. */
const callMax = 500;
const shownCharsMax = 80;
const listDefault = 100;
const states = ['open', 'redriven', 'discarded', 'all'];

/** `sluice deadletters list`. */
export const list: Command = {
  usage: `[--origin O] [--state ${states.join('|')}] [--max N]`,
  summary: 'list dead letters, by default the open ones',
  details: 'An origin is a subscription, ingest:<source or topic>, or outbox:<topic>.',
  options: { origin: { type: 'string' }, state: { type: 'string' }, max: { type: 'string' } },
  args: { min: 0, max: 0 },
  async run(context, given) {
    const max = numberOf(given, 'max', 1) ?? listDefault;
    const state = wordOf(given, 'state', states);
    const letters: DeadLetterView[] = [];
    let after: string | undefined;
    do {
      const query = {
        origin: textOf(given, 'origin'),
        state,
        max: String(Math.min(callMax, max - letters.length)),
        after,
      };
      type Page = { readonly letters: readonly DeadLetterView[]; readonly next: string | null };
      const page = await context.api.get<Page>('deadletters', query);
      letters.push(...page.letters);
      after = page.next ?? undefined;
    } while (after !== undefined && letters.length < max);
    show(context, { letters, more: after !== undefined }, listText);
    return 0;
  },
};

/** `sluice deadletters get`. */
export const get: Command = {
  usage: '<origin> <key>',
  summary: 'show one dead letter: payload, reason, every attempt',
  details: 'Printed as JSON, with or without --json.',
  options: {},
  args: { min: 2, max: 2 },
  async run(context, { args: [origin, key] }) {
    const letter = await context.api.get<object>('deadletter', { origin, key });
    context.print(JSON.stringify(letter, undefined, context.json ? undefined : 2));
    return 0;
  },
};

/** `sluice deadletters redrive`. */
export const redrive = settling({
  path: 'deadletters/redrive',
  usage: ' [--force]',
  summary: 'try dead letters again, now',
  details: `A subscription's letter goes to its endpoint once more, one of the way in is produced again. What fails stays
open, with the attempt added. The endpoint is spared as always: ratePerSecond, Retry-After, and its state. --force
redrives although it is paused, disabled or broken; try one letter first. Exit code 1 when a letter failed, or not
all were tried.`,
  options: { force: { type: 'boolean' } },
});

/** `sluice deadletters discard`. */
export const discard = settling({
  path: 'deadletters/discard',
  usage: '',
  summary: 'give dead letters up for good; they stay readable',
  details: 'Exit code 1 when one was no longer open, or somebody is redriving it.',
  options: {},
});

function settling(what: {
  readonly path: string;
  readonly usage: string;
  readonly summary: string;
  readonly details: string;
  readonly options: Command['options'];
}): Command {
  return {
    usage: `<origin> <key>... | <origin> --max N | <origin> --all${what.usage}`,
    summary: what.summary,
    details: what.details,
    options: { max: { type: 'string' }, all: { type: 'boolean' }, ...what.options },
    args: { min: 1, max: 1_000 },
    async run(context, given) {
      const outcome = await settleAll(context, what.path, given);
      show(context, outcome, outcomeText);
      return outcome.failed === 0 && outcome.stopped === undefined ? 0 : 1;
    },
  };
}

interface Settled {
  readonly origin: string | undefined;
  readonly letters: LettersOutcome['letters'][number][];
  readonly settled: number;
  readonly failed: number;
  readonly stopped?: Stopped | undefined;
}

/** Asks again for as long as an answer says where to go on. */
async function settleAll(context: Context, path: string, given: Given): Promise<Settled> {
  const [origin, ...keys] = given.args;
  const max = numberOf(given, 'max', 1);
  const all = given.values.all === true;
  if ([keys.length > 0, max !== undefined, all].filter(Boolean).length !== 1) {
    throw new UsageError('name keys, or --max N, or --all');
  }
  const letters: Settled['letters'] = [];
  const force = given.values.force === true ? true : undefined;
  let left = max ?? Number.POSITIVE_INFINITY;
  let after: string | undefined;
  let stopped: Stopped | undefined;
  do {
    const choice = keys.length > 0 ? { keys } : { max: Math.min(callMax, left) };
    const outcome = await context.api.post<LettersOutcome>(path, { origin, ...choice, after, force });
    letters.push(...outcome.letters);
    left -= outcome.letters.length;
    after = outcome.next ?? undefined;
    stopped = outcome.stopped;
    if (after === undefined || left <= 0) break;
    context.progress(progressText(letters));
  } while (await mayGoOn(context, stopped));
  const settled = letters.filter(isSettled).length;
  return { origin, letters, settled, failed: letters.length - settled, stopped };
}

/** Waits as long as an endpoint is to be left alone; false: that is too long. */
async function mayGoOn({ clock, progress }: Context, stopped: Stopped | undefined): Promise<boolean> {
  if (stopped === undefined) return true;
  const waitMs = waitMsOf(stopped);
  if (waitMs === undefined) return false;
  progress(`${stopped.why}; going on in ${duration(waitMs)}`);
  await clock.sleep(waitMs);
  return true;
}

/** Shows early that a receiver is still away, so that nobody waits for a long redrive to fail as a whole. */
function progressText(letters: Settled['letters']): string {
  const failed = letters.filter((letter) => !isSettled(letter));
  const error = failed.at(-1)?.error;
  const failing = error === undefined ? '' : `, ${grouped(failed.length)} of them failed: ${cut(error)}`;
  return `letters so far: ${grouped(letters.length)}${failing}`;
}

function isSettled({ outcome }: Settled['letters'][number]): boolean {
  return outcome === 'redriven' || outcome === 'discarded';
}

function outcomeText({ origin, letters, settled, failed, stopped }: Settled): string {
  if (letters.length === 0 && stopped === undefined) return `${origin} has no open dead letters`;
  const open = letters.filter((letter) => !isSettled(letter));
  const rows = open.map(({ key, outcome, error }) => [key, outcome, cut(error ?? '')]);
  const done = `${grouped(settled)} of ${grouped(settled + failed)} done`;
  const summary = stopped === undefined ? done : `${done}; ${stoppedText(stopped)}`;
  return rows.length === 0 ? summary : `${summary}\n\n${table(['KEY', 'OUTCOME', 'WHY'], rows)}`;
}

function listText({
  letters,
  more,
}: {
  readonly letters: readonly DeadLetterView[];
  readonly more: boolean;
}): string {
  if (letters.length === 0) return 'no such dead letters';
  const rows = letters.map(({ origin, key, at, state, attemptCount, reason }) => [
    origin,
    key,
    at ?? '-',
    state,
    String(attemptCount),
    cut(`${reason.code}: ${reason.message}`),
  ]);
  const shown = table(['ORIGIN', 'KEY', 'AT', 'STATE', 'ATTEMPTS', 'WHY'], rows, ['ATTEMPTS']);
  return more ? `${shown}\n… and more: --max shows them` : shown;
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= shownCharsMax ? line : `${line.slice(0, shownCharsMax - 1)}…`;
}
