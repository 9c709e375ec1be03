import type { EndpointsModel, Sent } from '../outside/endpoints.ts';
import { placesOf } from '../outside/places.ts';
import type { Entity, TablesModel, TableWrite } from '../outside/tables.ts';
import { type Instance, operatorName } from '../platform/instance.ts';
import type { World } from '../world/world.ts';

/** What came of a letter is stored this soon, where nothing delays that. */
const settledWithinMs = 2_000;
/** A run begins with one request that it may send at once, and may probe, whatever the run before has used up. */
const anew = 2;

/** What one operator has sent of a letter since they took it. */
interface Tried {
  sent: number;
  taken: boolean;
}

/**
 * Watches letters of subscriptions after they were written: one operator at a time takes a letter, tries it, and moves
 * it on as it went, no faster than its endpoint allows.
 */
export function watchRedrives(
  world: World,
  { tables, endpoints }: { tables: TablesModel; endpoints: EndpointsModel },
): void {
  const names = world.plan.subscriptions.map(({ name }) => name);
  const tried = new Map<string, Tried>();
  const savings = new Map<string, { readonly requests: number; readonly atMs: number }>();
  const isPrompt = Object.keys(world.plan.faults).every((fault) => !fault.startsWith('tables '));

  function triedOf(operator: Instance, row: Entity): Tried {
    const name = `${operator.name} ${row.partitionKey} ${row.rowKey}`;
    const found = tried.get(name) ?? { sent: 0, taken: false };
    tried.set(name, found);
    return found;
  }

  /** The letter that an operator sends, which they must have taken before. */
  function letterOf({ subscription, request, caller }: Sent): Entity | undefined {
    const [place] = placesOf(request);
    const key = `${place?.topic}:${place?.partition}:${String(place?.offset).padStart(19, '0')}`;
    return (
      tables
        .rows('deadletters', subscription)
        .filter(
          (row) =>
            row.rowKey.split('~')[0] === key && isOpen(row) && Number(row.claimedUntil) > caller.clock.now(),
        )
        .filter((row) => isBy(caller, row))
        // A claim to a letter of the topic before this one may have been left behind.
        .sort((one, two) => Number(one.claimedUntil) - Number(two.claimedUntil))
        .at(-1)
    );
  }

  tables.onWrite((write) => {
    const { table, before, after, writer } = write;
    if (table !== 'deadletters' || before === undefined || after === undefined) return;
    if (!names.includes(after.partitionKey)) return;
    const nowMs = writer.clock.now();
    const isTaken = Number(after.claimedUntil) > nowMs;
    const isOthers = isTaken && Number(before.claimedUntil) > nowMs;
    const isHolders = Number(before.claimedUntil) > 0 && isBy(writer, before);
    if (!isOpen(before) || isOthers || !(isTaken || isHolders)) {
      world.violated('a letter is moved on by one at a time', `${after.rowKey} by ${writer.name}`);
    }
    const { sent, taken } = triedOf(writer, after);
    if (isTaken) tried.delete(`${writer.name} ${after.partitionKey} ${after.rowKey}`);
    else checkSettled(world, write, { sent, taken });
  });

  endpoints.onSent((sent) => {
    const { caller, subscription, status, lastsMs } = sent;
    if (!caller.name.startsWith(operatorName)) return;
    const row = letterOf(sent);
    if (row === undefined) {
      world.violated('a letter is moved on by one at a time', `${caller.name} sends one that they have not`);
      return;
    }
    checkPace(world, sent, savings);
    const now = triedOf(caller, row);
    now.sent += 1;
    if (status === undefined || status < 200 || status > 299) return;
    now.taken = true;
    world.after(lastsMs + settledWithinMs, () => {
      const after = tables.row('deadletters', subscription, row.rowKey);
      if (!isPrompt || after?.state === 'redriven') return;
      world.violated(
        'a letter that is taken is redriven',
        `${subscription} ${row.rowKey} is ${after?.state}`,
      );
    });
  });
}

/** What came of a letter is as it went. */
function checkSettled(world: World, { before, after, writer }: TableWrite, { sent, taken }: Tried): void {
  const name = `${after?.partitionKey} ${after?.rowKey}`;
  if (after?.state === 'redriven' && !taken) {
    world.violated('redriven means delivered', `${name} by ${writer.name}`);
  }
  if (sent > 0 && Number(after?.laterCount) <= Number(before?.laterCount)) {
    world.violated('letters keep their attempts', `${name} was sent ${sent} times`);
  }
}

/** Each run of an operator spares an endpoint as one more instance does. */
function checkPace(
  world: World,
  { subscription, caller }: Sent,
  savings: Map<string, { readonly requests: number; readonly atMs: number }>,
): void {
  const { ratePerSecond } = world.plan.subscriptions.find(({ name }) => name === subscription) ?? {};
  if (ratePerSecond === undefined) return;
  const name = `${subscription} ${caller.name}`;
  const nowMs = world.nowMs();
  const most = ratePerSecond + anew;
  const { requests, atMs } = savings.get(name) ?? { requests: most, atMs: nowMs };
  const left = Math.min(most, requests + ((nowMs - atMs) * ratePerSecond) / 1_000) - 1;
  savings.set(name, { requests: left, atMs: nowMs });
  if (left < 0) world.violated('limits are kept', `${name} redrives faster than ${ratePerSecond} a second`);
}

/** Whether an operator has written what became of a letter last. */
function isBy({ name }: Instance, { settledBy }: Entity): boolean {
  return String(settledBy).endsWith(`-${name}`);
}

function isOpen({ state }: Entity): boolean {
  return state === 'open';
}
