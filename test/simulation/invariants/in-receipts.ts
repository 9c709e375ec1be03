import type { TablesModel, TableWrite } from '../outside/tables.ts';
import { schedule, sources } from '../outside/topics.ts';
import type { World } from '../world/world.ts';

const dayMs = 86_400_000;
/** A receipt may be written so long after its end was reckoned, freezes and slow answers included. */
const writtenWithinMs = 600_000;

/** Watches that receipts last for as long as the configuration says. */
export function watchReceipts(world: World, tables: TablesModel): void {
  const windowsMs: Readonly<Record<string, number>> = {
    [sources.orders]: world.plan.ingest.recognisedSeconds * 1_000,
    [sources.hooks]: world.plan.ingest.recognisedSeconds * 1_000,
    // The configuration's default, and what the platform may be late by.
    eventgrid: dayMs,
    [`schedule-${schedule}`]: 7 * dayMs,
  };
  tables.onWrite((write) => {
    if (write.table === 'receipts') checkReceipt(world, windowsMs, write);
  });
}

function checkReceipt(
  world: World,
  windowsMs: Readonly<Record<string, number>>,
  { before, after, writer }: TableWrite,
): void {
  if (before !== undefined && Number(before.expires) > writer.latestMs) {
    world.violated('receipts last', `${writer.name} removes that of ${before.id} too early`);
  }
  if (after === undefined) return;
  const windowMs = windowsMs[after.partitionKey] ?? 0;
  const lastsMs = Number(after.expires) - writer.clock.now();
  // Its clock may have been set back since.
  const isTooLong = Number(after.expires) > writer.latestMs + windowMs;
  const isTooShort = lastsMs < windowMs - writtenWithinMs - 2 * world.plan.skewMs;
  if (!isTooLong && !isTooShort) return;
  world.violated('receipts last', `that of ${after.id} lasts ${lastsMs} ms, of ${windowMs}`);
}
