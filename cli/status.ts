import type { PartitionStatus } from '../src/operate/partition-status.ts';
import type { DeadLettersStatus, OutboxStatus, Status, SubscriptionStatus } from '../src/operate/status.ts';
import { OperationError } from './api.ts';
import { type Command, show } from './command.ts';
import { duration, grouped, relative, table } from './table.ts';

/** `sluice status`. */
export const status: Command = {
  usage: '[subscription]',
  summary: 'what stands, waits and is stuck, and why',
  details: `Lag counts offsets; its age is that of the oldest record that waits. PER MIN compares with an earlier
status of the same instance, so the first one shows none. Exit code 1 when no subscription could be looked at.`,
  options: {},
  args: { min: 0, max: 1 },
  async run(context, { args: [name] }) {
    const all = await context.api.get<Status>('status');
    const subscriptions = all.subscriptions.filter((one) => name === undefined || one.name === name);
    if (name !== undefined && subscriptions.length === 0) {
      const names = all.subscriptions.map((one) => one.name).join(', ') || '(none)';
      const unseen = all.problems.find((problem) => problem.startsWith(`subscription ${name}: `));
      throw new OperationError(
        unseen === undefined
          ? `there is no subscription "${name}"; there are: ${names}`
          : `could not be looked at: ${unseen}`,
      );
    }
    show(context, { ...all, subscriptions }, textOf);
    return subscriptions.length === 0 && all.problems.length > 0 ? 1 : 0;
  },
};

function textOf(all: Status): string {
  const { at, subscriptions, deadLetters, outbox, problems } = all;
  return [
    ...subscriptions.map((one) => subscriptionText(one, at)),
    `Dead letters (open): ${deadLetters === null ? 'unknown' : deadLetters.map(lettersText).join(', ') || 'none'}`,
    `Outbox: ${outbox === null ? 'unknown' : outbox.map(outboxText).join(', ') || 'empty'}`,
    ...(problems.length === 0
      ? []
      : [problems.map((problem) => `Could not be looked at: ${problem}`).join('\n')]),
  ].join('\n\n');
}

function lettersText({ origin, open, more }: DeadLettersStatus): string {
  return `${origin} ${grouped(open)}${more ? '+' : ''}`;
}

function outboxText({ topic, records, more, error }: OutboxStatus): string {
  const many = records === 1 && !more ? 'record' : 'records';
  return `${topic} ${grouped(records)}${more ? '+' : ''} ${many}${error === '' ? '' : ` (${error})`}`;
}

function subscriptionText(subscription: SubscriptionStatus, at: string): string {
  const { name, endpoint, partitions } = subscription;
  const why = endpoint.why === '' ? '' : `: ${endpoint.why}`;
  const since =
    endpoint.since === null || endpoint.state === 'active' ? '' : ` since ${relative(endpoint.since, at)}`;
  const probe = endpoint.state === 'broken' ? `, probes ${relative(endpoint.probeAt, at)}` : '';
  const gaps = partitions.flatMap(({ topic, partition, gaps }) =>
    gaps.map(
      ({ fromOffset, toOffset, cause, at: seen }) =>
        `  gap in ${topic}:${partition}: ${fromOffset} up to ${toOffset} (${cause}), seen ${relative(seen, at)}`,
    ),
  );
  const head = ['PARTITION', 'NEXT', 'END', 'LAG', 'AGE', 'PARKED', 'PER MIN', 'NOW'];
  const rows = partitions.map((partition) => partitionRow(partition, at));
  const lines = table(head, rows, ['NEXT', 'END', 'LAG', 'AGE', 'PARKED', 'PER MIN']);
  return [
    `${name}  ${endpoint.state}${since}${why}${probe}`,
    ...lines.split('\n').map((line) => `  ${line}`),
    ...gaps,
  ].join('\n');
}

function partitionRow(partition: PartitionStatus, at: string): string[] {
  const { topic, nextOffset, endOffset, lagRecords, lagMs, parked, perMinute } = partition;
  return [
    `${topic}:${partition.partition}`,
    nextOffset ?? '-',
    endOffset ?? '?',
    grouped(lagRecords),
    lagMs === null ? '-' : duration(lagMs),
    grouped(parked.count),
    perMinute === null ? '-' : grouped(perMinute),
    nowText(partition, at),
  ];
}

function nowText(partition: PartitionStatus, at: string): string {
  const { nextOffset, missing, unread, retry, loss, lease, parked } = partition;
  if (nextOffset === null) return 'not begun';
  if (unread) return 'not read any more: what is parked stays so';
  const says = [];
  if (missing) says.push('missing: Kafka does not show it');
  if (retry !== null) {
    const since = retry.since === null ? '' : ` since ${relative(retry.since, at)}`;
    says.push(`waits${since}, ${attemptText(retry.nextAttempt, at)}: ${retry.error}`);
  }
  if (loss !== null) {
    const then = loss.halted ? ': resume passes it' : '';
    says.push(`loss (${loss.cause}) seen ${relative(loss.since, at)}${then}`);
  }
  if (lease !== null) says.push(`walked by ${lease.owner}`);
  if (parked.count > 0) says.push(`parked: ${attemptText(parked.nextAttempt, at)}`);
  return says.join('; ');
}

/** An attempt that is due waits for the next run, or for the endpoint's state. */
function attemptText(time: string | null, at: string): string {
  const isDue = time !== null && Date.parse(time) <= Date.parse(at);
  return `next attempt ${isDue ? 'was due ' : ''}${relative(time, at)}`;
}
