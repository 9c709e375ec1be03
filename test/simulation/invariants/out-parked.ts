import type { Entity, TableWrite } from '../outside/tables.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import { isFinished, isJustified, nameOf, type OutWitness, partitionOf, type Watch } from './out-watch.ts';

/** Records of a batch may be finished or parked above a bound that was reached while they were under way. */
const underwayMax = (plans: readonly SubscriptionPlan[]) =>
  Math.max(...plans.map(({ maxInFlight }) => maxInFlight)) *
  Math.max(...plans.map(({ form }) => (typeof form === 'string' ? 1 : form.recordsMax)));

/** A row of what is parked was written: by the holder, within bounds, and removed only when something became of it. */
export function sawParked(witness: OutWitness, watch: Watch, { before, after, writer }: TableWrite): void {
  const { world, tables } = witness;
  const { partitionKey, rowKey } = (after ?? before) as Entity;
  if (rowKey === 'fence' && before?.holder !== after?.holder) checkOpening(witness, watch, writer.name);
  if (!/^\d+$/.test(rowKey)) return;
  const offset = Number(rowKey);
  const holder = String(tables.row('parked', partitionKey, 'fence')?.holder ?? '');
  if (!holder.includes(writer.name)) {
    world.violated(
      'no stale write takes effect',
      `${nameOf(watch)}/${offset} was parked by ${writer.name}, not ${holder}`,
    );
  }
  if (after !== undefined) {
    watch.parked.add(offset);
    const { caller, sentMs = 0, atMs = 0 } = watch.sent.get(offset) ?? {};
    if (caller === writer.name && writer.setMs < sentMs && Number(after.nextAttemptMs) < atMs) {
      world.violated(
        'a retry waits for its time',
        `${nameOf(watch)}/${offset} is due since before its last attempt`,
      );
    }
    const { parkedMax } = watch.plan;
    if (watch.parked.size > parkedMax + underwayMax(witness.configurations.ever(watch.plan.name))) {
      world.violated('limits are kept', `${nameOf(watch)} has ${watch.parked.size} parked, of ${parkedMax}`);
    }
    return;
  }
  watch.parked.delete(offset);
  if (watch.excused) return;
  const record = partitionOf(witness, watch).records.find((each) => each.offset === offset);
  const finished = watch.standing !== undefined && isFinished(watch.standing, offset);
  if (record !== undefined && finished && !isJustified(witness, watch, record)) {
    world.violated('nothing parked is forgotten', `${nameOf(watch)}/${offset} is no longer parked`);
  }
}

/** Once a holder has taken over what is parked, nobody takes it over whose claim is older. */
function checkOpening({ world }: OutWitness, watch: Watch, writer: string): void {
  const claimed = watch.claims.get(writer) ?? -1;
  if (claimed < watch.opened) {
    const lease = `its lease is of epoch ${claimed}, and that of ${watch.opened} has opened it`;
    world.violated(
      'no stale write takes effect',
      `${nameOf(watch)}: ${writer} opened what is parked: ${lease}`,
    );
  }
  watch.opened = Math.max(watch.opened, claimed);
}
