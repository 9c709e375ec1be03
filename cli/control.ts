import { readFileSync } from 'node:fs';
import type { EndpointChange } from '../src/operate/endpoint-control.ts';
import { positionForms } from '../src/operate/requests.ts';
import type { SoughtPartition } from '../src/operate/seek.ts';
import type { TestEventOutcome } from '../src/operate/test-event.ts';
import { describeError } from '../src/shared/error.ts';
import { parseJson } from '../src/shared/json.ts';
import { type Command, numberOf, positionOf, requiredText, show, textOf, UsageError } from './command.ts';
import { table } from './table.ts';

/** `sluice pause`. */
export const pause: Command = {
  usage: '<subscription> [--why TEXT]',
  summary: 'stop deliveries of a subscription',
  details:
    'Deliveries under way end; a walk under way takes notice within seconds. Nothing is lost meanwhile.',
  options: { why: { type: 'string' } },
  args: { min: 1, max: 1 },
  async run(context, given) {
    const body = { subscription: given.args[0], why: textOf(given, 'why') };
    show(context, await context.api.post<EndpointChange>('pause', body), changeText);
    return 0;
  },
};

/** `sluice resume`. */
export const resume: Command = {
  usage: '<subscription>',
  summary: 'let deliveries go on: after a pause, a 410, an open breaker',
  details: 'Deliveries go on with the next run of the drain.',
  options: {},
  args: { min: 1, max: 1 },
  async run(context, { args: [subscription] }) {
    show(context, await context.api.post<EndpointChange>('resume', { subscription }), changeText);
    return 0;
  },
};

/** `sluice seek`. */
export const seek: Command = {
  usage: '<subscription> --to POSITION [--topic T [--partition P]]',
  summary: 'move where a subscription stands, back or forth',
  details: `POSITION is ${positionForms}.
Without --topic all topics move, without --partition all partitions. Parked records stay parked.`,
  options: { to: { type: 'string' }, topic: { type: 'string' }, partition: { type: 'string' } },
  args: { min: 1, max: 1 },
  async run(context, given) {
    const body = {
      subscription: given.args[0],
      to: positionOf(given, 'to') ?? requiredText(given, 'to'),
      topic: textOf(given, 'topic'),
      partition: numberOf(given, 'partition', 0),
    };
    if (body.partition !== undefined && body.topic === undefined) {
      throw new UsageError('--partition goes with --topic');
    }
    type Sought = { readonly subscription: string; readonly partitions: readonly SoughtPartition[] };
    show(context, await context.api.post<Sought>('seek', body), ({ partitions }) =>
      table(
        ['PARTITION', 'BEFORE', 'NOW', 'END', 'PARKED'],
        partitions.map(({ topic, partition, before, now, endOffset, parked }) => [
          `${topic}:${partition}`,
          before ?? '-',
          now,
          endOffset,
          String(parked),
        ]),
        ['BEFORE', 'NOW', 'END', 'PARKED'],
      ),
    );
    return 0;
  },
};

/** `sluice test-event`. */
export const testEvent: Command = {
  usage: '<subscription> [--event FILE]',
  summary: 'send a synthetic event to a subscription, now',
  details: `FILE holds attributes and data of a CloudEvent as JSON; what is missing is filled in.
Exit code 1 when it was not delivered.`,
  options: { event: { type: 'string' } },
  args: { min: 1, max: 1 },
  async run(context, given) {
    const file = textOf(given, 'event');
    const event = file === undefined ? undefined : readObject(file);
    const body = { subscription: given.args[0], event };
    const outcome = await context.api.post<TestEventOutcome>('test-event', body);
    show(context, outcome, ({ status, latencyMs, answer, error }) => {
      const said =
        status === null ? error : `answered ${status} in ${latencyMs} ms: ${answer || '(no body)'}`;
      return `${outcome.outcome}\n${said}`;
    });
    return outcome.outcome === 'delivered' ? 0 : 1;
  },
};

function changeText({ subscription, before, now }: EndpointChange): string {
  const was =
    before.state === now.state ? 'still' : `was ${before.state}${before.why && ` (${before.why})`}, is`;
  return `${subscription}: ${was} ${now.state}${now.why && ` (${now.why})`}`;
}

function readObject(file: string): unknown {
  try {
    return parseJson(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${describeError(error)}`);
  }
}
