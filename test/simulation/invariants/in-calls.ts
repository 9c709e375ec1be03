import type { ProduceCall, ProxyModel } from '../outside/proxy.ts';
import type { TablesModel, TableWrite } from '../outside/tables.ts';
import { eventOf } from '../outside/topic-log.ts';
import { operatorName } from '../platform/instance.ts';
import { isSentOnce, onlyTakerOf, type SentEvent, type Work } from '../work/work.ts';
import type { World } from '../world/world.ts';

/** What the witness of calls that write looks at. */
export interface CallsWitness {
  readonly world: World;
  readonly proxy: ProxyModel;
  readonly tables: TablesModel;
  readonly work: Work;
  /** How many batches of the outbox hold an event. */
  readonly queued: ReadonlyMap<string, number>;
}

/** The lease of a topic, as the instance sees it that wrote it last. */
interface HeldLease {
  readonly owner: string;
  /** When its flush got it, by the clock of the world. */
  readonly sinceMs: number;
  readonly expiresAtMs: number;
}

/** Longer than one call can take. */
const callMsMax = 10_000;
/** A call that is made again waits less than this, for a token or for its time. */
const betweenMsMax = 15_000;

/** Watches the calls that write: how large they are, that none is repeated blindly, and who makes them. */
export function watchCalls(witness: CallsWitness): void {
  const { world, proxy, tables, work } = witness;
  const { batchBytesMax } = world.plan.ingest;
  const leases = new Map<string, HeldLease>();
  /** Events sent once whose call left open whether they were written, and which are not kept yet. */
  const open = new Set<string>();
  tables.onWrite((write) => {
    if (write.table === 'outbox') sawLease(world, leases, write);
  });
  proxy.onProduce((call) => {
    const events = call.records.flatMap(({ value }) => work.event(eventOf(value) ?? '') ?? []);
    if (call.records.length > 1 && call.chars > batchBytesMax) {
      world.violated('limits are kept', `${call.chars} characters for ${call.topic} in one call`);
    }
    // What operators redrive, they redrive as often as they like.
    if (call.caller.name.startsWith(operatorName)) return;
    checkRepetition(witness, open, call, events);
    checkFlush(witness, leases, call, events);
  });
}

/** What may have been written goes to the outbox, or back to its sender, but not blindly once more. */
function checkRepetition(
  { world, queued }: CallsWitness,
  open: Set<string>,
  { caller, leavesOpen }: ProduceCall,
  events: readonly SentEvent[],
): void {
  for (const event of events) {
    const { name } = event;
    if (!isSentOnce(event) || queued.has(name)) continue;
    if (open.has(name)) {
      world.violated(
        'duplicates have a reason',
        `${caller.name} writes ${name} again, not knowing whether it was`,
      );
    }
    if (leavesOpen) open.add(name);
  }
}

/** A flush writes only under its lease, and within its time. */
function checkFlush(
  { world, queued }: CallsWitness,
  leases: ReadonlyMap<string, HeldLease>,
  { caller, topic }: ProduceCall,
  events: readonly SentEvent[],
): void {
  const { budgetMs } = world.plan.ingest.outbox;
  const isFlush = events.some((event) => {
    const taker = onlyTakerOf(event);
    return (queued.get(event.name) ?? 0) > 0 && taker !== undefined && taker !== caller.name;
  });
  const wasDisturbed = world.nowMs() - Math.max(caller.thawedMs, caller.setMs) < budgetMs + betweenMsMax;
  if (!isFlush || wasDisturbed || isTakenApart(world)) return;
  const lease = leases.get(leaseOf(caller.name, topic));
  const leftMs = (lease?.expiresAtMs ?? 0) - caller.clock.now();
  if (leftMs < callMsMax) {
    world.violated(
      'leases are kept',
      `${caller.name} writes of ${topic} with ${leftMs} ms of its lease left`,
    );
  }
  const lastsMs = world.nowMs() - (lease?.sinceMs ?? 0);
  if (lastsMs > budgetMs) {
    world.violated('limits are kept', `${caller.name} flushes ${topic} for ${lastsMs} ms`);
  }
}

/** Whether one batch may take many calls: its parts, or a topic that is made first. */
function isTakenApart({ plan }: World): boolean {
  return plan.faults['proxy refuses whole calls'] !== undefined || plan.ingest.createsTopic;
}

function sawLease(world: World, leases: Map<string, HeldLease>, { after, writer }: TableWrite): void {
  if (after?.partitionKey !== ':topics') return;
  const name = leaseOf(writer.name, after.rowKey);
  const owner = String(after.owner);
  const former = leases.get(name);
  if (owner === '') return;
  const sinceMs = former?.owner === owner ? former.sinceMs : world.nowMs();
  leases.set(name, { owner, sinceMs, expiresAtMs: Number(after.expiresAtMs) });
}

function leaseOf(instance: string, topic: string): string {
  return `${instance} ${topic}`;
}
