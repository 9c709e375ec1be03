import type { EndpointsModel } from '../outside/endpoints.ts';
import { placesOf } from '../outside/places.ts';
import type { Entity, TableWrite } from '../outside/tables.ts';
import { operatorName } from '../platform/instance.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import type { InWitness } from './in.ts';
import { isCrossing, lookForNew, sawCheckpoint, sawCrossing } from './out-checkpoints.ts';
import { checkCarried, checkHeld, checkLetter, checkParkedRow, checkSigned } from './out-contents.ts';
import {
  checkAnew,
  checkGivenUp,
  checkLease,
  checkParked,
  checkTime,
  generationOf,
  sawRecord,
  sawRequest,
} from './out-deliveries.ts';
import { sawParked } from './out-parked.ts';
import {
  eventOf,
  isFinished,
  isJustified,
  nameOf,
  newWatch,
  type OutWitness,
  partitionOf,
  type Watch,
} from './out-watch.ts';
import { isStopped } from './stored.ts';

/** Watches the way out while the world lives. */
export function watchOut(
  witness: Pick<OutWitness, keyof InWitness | 'configurations'>,
  endpoints: EndpointsModel,
) {
  const watches = new Map<string, Watch>();
  const former = new Map<string, Watch[]>();
  const out: OutWitness = {
    ...witness,
    ...{ watches, former },
    ...{ runs: new Map(), resumes: new Map(), resumesBefore: new Map(), batches: new Map() },
  };
  const plans = new Map(witness.world.plan.subscriptions.map((plan) => [plan.name, plan]));

  function watchOf(subscription: string, topic: string, partition: number): Watch {
    const name = `${subscription} ${topic}/${partition}`;
    let watch = watches.get(name);
    if (watch === undefined) {
      watch = newWatch(plans.get(subscription) as SubscriptionPlan, topic, partition);
      watches.set(name, watch);
    }
    return watch;
  }

  witness.tables.onWrite((write) => {
    const { partitionKey, rowKey } = (write.after ?? write.before) as Entity;
    if (write.table === 'checkpoints' && rowKey === 'endpoint') sawEndpoint(out, write);
    else if (write.table === 'checkpoints') {
      const [topic = '', partition] = rowKey.split(':');
      const watch = watchOf(partitionKey, topic, Number(partition));
      checkHeld(out, watch, write);
      if (!isCrossing(write)) sawCheckpoint(out, watch, write);
      else watches.set(nameOf(watch), sawCrossing(out, watch, write));
    } else if (write.table === 'parked') {
      const [subscription = '', topic = '', partition] = partitionKey.split(':');
      const watch = watchOf(subscription, topic, Number(partition));
      sawParked(out, watch, write);
      if (/^\d+$/.test(rowKey)) checkParkedRow(out, watch, write);
    } else if (write.table === 'deadletters' && plans.has(partitionKey)) {
      const [topic = '', partition, offset] = (rowKey.split('~')[0] ?? '').split(':');
      const watch = watchOf(partitionKey, topic, Number(partition));
      watch.letters.add(Number(offset));
      checkLetter(out, watch, write);
      if (write.after?.code === 'delivery.refused') watch.refused.add(Number(offset));
      if (write.before === undefined && !watch.excused) checkGivenUp(out, watch, write.after as Entity);
    }
  });
  endpoints.onSent((sent) => {
    checkSigned(out, sent);
    if (sent.caller.name.startsWith(operatorName)) return;
    const places = placesOf(sent.request);
    const [first] = places;
    if (first === undefined) return;
    const watch = watchOf(sent.subscription, first.topic, first.partition);
    checkLease(out, watch, sent);
    if (!watch.excused) {
      checkTime(out, watch, places, sent);
      checkAnew(out, watch, places, sent);
    }
    const { name, clock } = sent.caller;
    const sentMs = witness.world.nowMs();
    for (const { offset } of places) watch.sent.set(offset, { caller: name, sentMs, atMs: clock.now() });
    const known = places.filter(({ generation = watch.generation }) => generation === watch.generation);
    checkParked(
      out,
      watch,
      known.map(({ offset }) => offset),
    );
  });
  endpoints.onArrival((arrival) => {
    const carried = sawRequest(out, arrival);
    checkCarried(out, arrival, carried);
    for (const place of carried) {
      const watch = watchOf(arrival.subscription, place.topic, place.partition);
      if (!watch.excused) sawRecord(out, generationOf(out, watch, place), place, arrival);
    }
  });
  witness.log.onChange((topic) => {
    if (topic.generation === 0) return;
    for (const watch of watches.values()) if (watch.topic === topic.name) lookForNew(watch, topic);
  });
  return out;
}

/** What the way out still has to do; undefined: nothing. */
export function restlessOut(witness: OutWitness): string | undefined {
  const { world, log, watches } = witness;
  for (const [place, { excused, parked }] of watches) {
    if (!excused && parked.size > 0) return `${place} has ${[...parked].join(' ')} parked`;
  }
  for (const { name, topics: read } of world.plan.subscriptions) {
    for (const topic of read) {
      if (log.newest(topic)?.deletedMs !== undefined) return `${topic} is away`;
      for (const [number, { records }] of (log.topics.get(topic)?.partitions ?? []).entries()) {
        const place = `${name} ${topic}/${number}`;
        const watch = watches.get(place);
        const last = records.at(-1)?.offset ?? -1;
        const { nextOffset } = watch?.standing ?? {};
        if (watch === undefined || nextOffset === undefined) return `${place} was never begun`;
        if (watch.excused) continue;
        if (watch.generation !== log.topics.get(topic)?.generation) return `${place} is of an old topic`;
        if (nextOffset <= last) return `${place} stands at ${nextOffset}, and its last record is ${last}`;
      }
    }
  }
  return undefined;
}

/** Looks at the way out once the world is at rest. */
export function checkOut(witness: OutWitness): void {
  const { world } = witness;
  const calm = Object.keys(world.plan.faults).length === 0 && world.plan.skewMs === 0;
  const refuses = (['endpoint answers 4xx', 'endpoint bars the way'] as const).some(
    (fault) => world.plan.faults[fault] !== undefined,
  );
  const steady = Object.keys(world.plan.faults).every((fault) => !/^(tables|instance|topic) /.test(fault));
  const left = witness.tables.rows('parked').find(({ rowKey }) => rowKey !== 'fence');
  if (steady && left !== undefined) {
    world.violated('nothing is left of what was parked', `${left.partitionKey} ${left.rowKey}`);
  }
  for (const [name, watch] of witness.watches) {
    if (watch.excused) continue;
    for (const record of partitionOf(witness, watch).records) {
      if (!isJustified(witness, watch, record) && !isLeftOpen(witness, watch, record.offset)) {
        world.violated('no record is skipped', `${name}/${record.offset} was neither delivered nor given up`);
      }
      const poison = eventOf(witness, record)?.poison ?? false;
      if (calm && watch.letters.has(record.offset) && !poison) {
        world.violated(
          'nothing good is given up',
          `${name}/${record.offset} is a dead letter, and nothing failed`,
        );
      }
      if (!refuses && watch.refused.has(record.offset) && !poison) {
        world.violated('nothing good is given up', `${name}/${record.offset} was refused with its neighbour`);
      }
    }
  }
}

/** Of a partition that a topic made anew does not have, the checkpoint goes on saying what is missing. */
function isLeftOpen({ log }: OutWitness, { topic, partition, standing }: Watch, offset: number): boolean {
  const isGone = log.newest(topic)?.partitions[partition] === undefined;
  return isGone && standing !== undefined && !isFinished(standing, offset);
}

function sawEndpoint({ resumes, resumesBefore }: OutWitness, { before, after }: TableWrite): void {
  if (after === undefined) return;
  const name = after.partitionKey;
  const times = resumes.get(name) ?? 0;
  if (isStopped(after) && !isStopped(before)) resumesBefore.set(name, times);
  if (after.state === 'active' && isStopped(before)) resumes.set(name, times + 1);
}
