import type { ReplayOutcome } from '../src/operate/replay.ts';
import { positionForms } from '../src/operate/requests.ts';
import {
  type Command,
  type Context,
  numberOf,
  positionOf,
  requiredText,
  show,
  stoppedText,
  textOf,
  waitMsOf,
} from './command.ts';
import { duration, grouped } from './table.ts';

/** Waits before a partition that failed and did not move is tried again. */
const waitsMs = [1_000, 2_000, 4_000, 8_000, 16_000] as const;

/** `sluice replay`. */
export const replay: Command = {
  usage: '<subscription> --target URL [--topic T] [--partition P] [--from POSITION] [--to POSITION]',
  summary: 'send a range of records to another endpoint',
  details: `POSITION is ${positionForms}; the range is from earliest up to latest unless given.
Records go out in the form of the subscription and signed with its secrets; its headers and credentials are not sent.
The live checkpoint stays, and the state of the subscription's own endpoint counts for nothing; its ratePerSecond and
what the target asks for by Retry-After are kept. A record that is not taken is tried a few times, then its partition
stops there: exit code 1.`,
  options: {
    target: { type: 'string' },
    topic: { type: 'string' },
    partition: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
  },
  args: { min: 1, max: 1 },
  async run(context, given) {
    const request = {
      subscription: given.args[0],
      url: requiredText(given, 'target'),
      topic: textOf(given, 'topic'),
      partition: numberOf(given, 'partition', 0),
      from: positionOf(given, 'from'),
      to: positionOf(given, 'to'),
    };
    const outcome = await replayAll(context, request);
    show(context, outcome, textOfOutcome);
    return outcome.continue.length === 0 ? 0 : 1;
  },
};

/** Asks again until nothing is left, or what is left failed in every wait, or the target asks for a long one. */
async function replayAll(context: Context, request: object): Promise<ReplayOutcome> {
  let delivered = 0;
  let filtered = 0;
  let failedInARow = 0;
  let parts: ReplayOutcome['continue'] | undefined;
  for (;;) {
    const outcome = await context.api.post<ReplayOutcome>('replay', { ...request, continue: parts });
    const { stopped } = outcome;
    delivered += outcome.delivered;
    filtered += outcome.filtered;
    const stuck = outcome.failures.length > 0 && outcome.failures.length === outcome.continue.length;
    const moved = outcome.delivered + outcome.filtered > 0;
    failedInARow = (stuck || stopped) && !moved ? failedInARow + 1 : 0;
    const askedMs = stopped === undefined ? 0 : waitMsOf(stopped);
    const backoffMs = stuck ? waitsMs[failedInARow] : 0;
    const isOver = failedInARow >= waitsMs.length || askedMs === undefined || backoffMs === undefined;
    if (outcome.continue.length === 0 || isOver) return { ...outcome, delivered, filtered };
    parts = outcome.continue;
    const waitMs = Math.max(askedMs, backoffMs);
    context.progress(progressText(outcome, delivered, waitMs));
    await context.clock.sleep(waitMs);
  }
}

function progressText(
  { continue: parts, failures: [failure], stopped }: ReplayOutcome,
  delivered: number,
  waitMs: number,
): string {
  const left = parts.reduce((sum, part) => sum + Number(BigInt(part.toOffset) - BigInt(part.nextOffset)), 0);
  return [
    `${grouped(delivered)} records delivered, at most ${grouped(left)} to go`,
    ...(failure === undefined ? [] : [`failing: ${failure.error}`]),
    ...(stopped === undefined ? [] : [stopped.why]),
    ...(waitMs === 0 ? [] : [`going on in ${duration(waitMs)}`]),
  ].join('; ');
}

function textOfOutcome(outcome: ReplayOutcome): string {
  const { topic, url, delivered, filtered, failures, continue: left, stopped } = outcome;
  const lines = left.map(({ partition, nextOffset, toOffset }) => {
    const error = failures.find((failure) => failure.partition === partition)?.error ?? stopped?.why ?? '';
    return `${topic}:${partition} stopped at offset ${nextOffset}: ${error}\n  go on with --topic ${topic} --partition ${partition} --from offset:${nextOffset} --to offset:${toOffset}`;
  });
  const done = `${grouped(delivered)} records delivered to ${url}, ${grouped(filtered)} filtered`;
  return [done, ...lines, ...(stopped === undefined ? [] : [stoppedText(stopped)])].join('\n');
}
