import { isDeepStrictEqual } from 'node:util';
import { staleMsMax } from '../outside/proxy.ts';
import type { Entity, TableWrite } from '../outside/tables.ts';
import type { LogTopic } from '../outside/topic-log.ts';
import { type Instance, operatorName } from '../platform/instance.ts';
import { offsetsOfLetters } from './out-contents.ts';
import {
  isFinished,
  isJustified,
  nameOf,
  newWatch,
  type OutWitness,
  partitionOf,
  type Range,
  readStanding,
  type Standing,
  type Watch,
} from './out-watch.ts';

/** The bridge believes that a topic was made anew when it was seen so for this long, by its clocks. */
const recreatedAfterMs = 60_000;

/** A checkpoint was written: by whom it may be, forward only, and over nothing of which nothing has become. */
export function sawCheckpoint(
  witness: OutWitness,
  watch: Watch,
  { before, after, writer }: TableWrite,
): void {
  const { world } = witness;
  if (after === undefined) {
    world.violated('checkpoints stay', `${nameOf(watch)} was deleted`);
    return;
  }
  const next = readStanding(after);
  const last = before && readStanding(before);
  watch.standing = next;
  if (watch.isAhead && next.nextOffset > partitionOf(witness, watch).latest) {
    // Stale metadata led it back to the topic that was there before.
    watch.generation -= 1;
    watch.isAhead = false;
  }
  if (last === undefined) {
    // An operator who seeks begins a partition where they ask to.
    const isLate = beginWatch(witness, watch, next.nextOffset, Number(after.endOffset));
    if (isLate && !writer.name.startsWith(operatorName)) {
      witness.world.violated(
        'an added partition is read from its beginning',
        `${nameOf(watch)} begins at ${next.nextOffset}`,
      );
    }
    return;
  }
  if (writer.name.startsWith(operatorName)) {
    sawSeek(witness, watch, last, after);
    return;
  }
  if (next.owner !== '') holds(witness, watch, next, writer);
  if (next.epoch > last.epoch) watch.claims.set(writer.name, next.epoch);
  if (next.halted && !last.halted) watch.resumes = witness.resumesBefore.get(watch.plan.name) ?? 0;
  checkFence(witness, watch, last, next, writer.name, writer.latestMs);
  if (watch.excused) return;
  if (next.nextOffset < last.nextOffset) {
    world.violated('checkpoints move forward', `${nameOf(watch)}: ${last.nextOffset} to ${next.nextOffset}`);
  }
  for (const gap of next.gaps.slice(-1)) checkGap(witness, watch, gap);
  const losses = (gaps: Standing['gaps']) => gaps.filter(({ cause }) => cause !== 'empty').length;
  if (losses(next.gaps) > losses(last.gaps)) checkLoss(witness, watch, last);
  checkFinished(witness, watch, last);
}

/** What a checkpoint newly calls finished has become something. */
function checkFinished(witness: OutWitness, watch: Watch, last: Standing | undefined): void {
  const { standing: next } = watch;
  if (next === undefined) return;
  const { world } = witness;
  for (const record of partitionOf(witness, watch).records) {
    const { offset } = record;
    if (!isFinished(next, offset) || (last !== undefined && isFinished(last, offset))) continue;
    if (!isJustified(witness, watch, record)) {
      world.violated(
        'finished means delivered or given up',
        `${nameOf(watch)}/${offset} is finished in the checkpoint, and nothing has become of it`,
      );
    }
  }
}

/**
 * Metadata may still have shown the topic before this one; of one that is away, the next is begun.
 *
 * @returns whether it is a partition that joined later, and is not begun at its first record.
 */
function beginWatch(witness: OutWitness, watch: Watch, nextOffset: number, endOffset: number): boolean {
  const { world, log, watches } = witness;
  const { generation = 0, partitions = [], deletedMs } = log.newest(watch.topic) ?? {};
  const latest = partitions[watch.partition]?.latest ?? 0;
  const isOld = generation > 0 && nextOffset > latest;
  // By metadata of the topic before, where that one began too: nothing tells the two.
  if (!isOld && generation > 0 && endOffset > latest) watch.excused = true;
  const isNext = deletedMs !== undefined && nextOffset === 0;
  watch.generation = generation + (isNext ? 1 : isOld ? -1 : 0);
  watch.isAhead = isNext;
  watch.start = nextOffset;
  watch.begunMs = world.nowMs();
  const { past, earliest } = partitionOf(witness, watch);
  const [added] = past;
  const others = [...watches.values()].filter(
    (each) => each !== watch && each.plan === watch.plan && each.topic === watch.topic,
  );
  const isLater =
    others.some(({ begunMs }) => begunMs < (added?.atMs ?? 0)) &&
    others.every(({ partition }) => partition < watch.partition);
  const former = log.generation(watch.topic, generation - 1);
  const goneForMs = world.nowMs() - (former?.deletedMs ?? 0);
  const mayBeStale =
    former?.partitions[watch.partition] !== undefined &&
    goneForMs <= staleMsMax &&
    world.plan.faults['proxy shows stale metadata'] !== undefined;
  // Begun by what the topic before it was, which it has reached: then nothing tells the two.
  if (isLater && nextOffset > earliest && mayBeStale) watch.excused = true;
  return isLater && nextOffset > earliest && !mayBeStale;
}

/** Whether a checkpoint says for the first time that the topic was made anew. */
export function isCrossing({ before, after }: TableWrite): boolean {
  if (before === undefined || after === undefined) return false;
  const { gaps } = readStanding(after);
  return gaps.at(-1)?.cause === 'recreated' && gaps.length > readStanding(before).gaps.length;
}

/** The subscription follows the new topic from here on. */
export function sawCrossing(witness: OutWitness, old: Watch, { before, after, writer }: TableWrite): Watch {
  const { world, log, former } = witness;
  const next = readStanding(after as Entity);
  const last = readStanding(before as Entity);
  const topicNow = log.newest(old.topic);
  const { generation: latest = 0, partitions = [] } = topicNow ?? {};
  const start = next.gaps.at(-1)?.to ?? 0;
  // Metadata may show the one before the latest, which is as new to the subscription.
  const isBefore = latest - 1 > old.generation && start > (partitions[old.partition]?.earliest ?? 0);
  const generation = isBefore ? latest - 1 : latest;
  const { claims, leases, opened, plan, topic, partition, begunMs } = old;
  const formerGaps = next.gaps.length;
  checkLoss(witness, old, last);
  const { resumes } = old;
  const begun = { generation, start, begunMs, standing: next, formerGaps, claims, leases, opened, resumes };
  const watch: Watch = { ...newWatch(plan, topic, partition), ...begun };
  for (const offset of offsetsOfLetters(witness, watch)) watch.letters.add(offset);
  if (next.owner !== '') holds(witness, old, next, writer);
  checkFence(witness, old, last, next, writer.name, writer.latestMs);
  const isOld = generation === old.generation;
  // Clocks that disagree by more than the bridge waits let it believe what is stale.
  watch.excused = isOld && (old.excused || 2 * world.plan.skewMs >= recreatedAfterMs - staleMsMax);
  if (isBefore && topicNow !== undefined) lookForNew(watch, topicNow);
  if (watch.excused) return watch;
  if (isOld) world.violated('nothing stale is taken for a new topic', nameOf(old));
  if (start > partitionOf(witness, watch).earliest) {
    world.violated('a new topic is followed from its beginning', `${nameOf(watch)} begins at ${start}`);
  }
  if (old.parked.size > 0) {
    world.violated('nothing parked is forgotten', `${nameOf(old)} has ${[...old.parked].join(' ')} parked`);
  }
  former.set(nameOf(old), [...(former.get(nameOf(old)) ?? []), old]);
  checkFinished(witness, watch, undefined);
  return watch;
}

/**
 * Of a new topic that reaches the checkpoint of the old one before that was noticed, nothing is promised, unless the
 * old one held nothing.
 */
export function lookForNew(watch: Watch, topic: LogTopic): void {
  const { standing, generation, partition } = watch;
  if (standing === undefined || generation === topic.generation) return;
  if ((topic.partitions[partition]?.latest ?? 0) >= standing.nextOffset) watch.excused = true;
}

/** An operator sets the position anew: what is finished, held back or lost counts no more, all else stays as it was. */
function sawSeek({ world, log }: OutWitness, watch: Watch, last: Standing, after: Entity): void {
  const next = readStanding(after);
  const isFresh = next.finished.length === 0 && after.retry === 'null' && after.loss === 'null';
  // Of a partition that is gone, the seek itself notes what is lost.
  const gapsOf = ({ gaps }: Standing) => gaps.filter(({ cause }) => cause !== 'gone');
  const isKept =
    isDeepStrictEqual(gapsOf(next), gapsOf(last)) && next.epoch === last.epoch && next.owner === last.owner;
  if (!isFresh || !isKept || next.expiresAtMs > world.nowMs() - world.plan.skewMs) {
    world.violated('a seek begins anew', `${nameOf(watch)} from ${last.nextOffset} to ${next.nextOffset}`);
  }
  for (const offset of watch.taken) if (offset >= next.nextOffset) watch.owed.add(offset);
  if (watch.generation !== log.topics.get(watch.topic)?.generation) watch.excused = true;
  if (next.nextOffset > last.nextOffset) watch.skipped.push({ from: last.nextOffset, to: next.nextOffset });
  // Whatever comes again now does so because somebody wants it.
  watch.heard.clear();
  for (const offset of watch.parked) watch.twice.add(offset);
}

/** Only the holder of the lease writes, or whoever takes over a lease that has lapsed. */
function checkFence(
  { world }: OutWitness,
  watch: Watch,
  last: Standing,
  next: Standing,
  writer: string,
  nowMs: number,
): void {
  const isWriters = (owner: string) => owner.startsWith(`${writer}:`);
  const wrong =
    (next.owner !== '' && !isWriters(next.owner)) ||
    (last.owner !== '' && next.owner !== last.owner && !isWriters(last.owner) && last.expiresAtMs > nowMs) ||
    (last.owner !== '' && next.owner === '' && !isWriters(last.owner)) ||
    next.epoch < last.epoch;
  if (wrong) {
    const lease = `the lease of ${last.owner} until ${last.expiresAtMs} (now ${nowMs})`;
    world.violated('no stale write takes effect', `${nameOf(watch)} was written by ${writer} under ${lease}`);
  }
}

/** Where a loss is to halt, it is passed once somebody has resumed what was stopped for it. */
function checkLoss({ world, resumes }: OutWitness, watch: Watch, { halted }: Standing): void {
  if (watch.plan.dataLoss !== 'halt') return;
  const isResumed = (resumes.get(watch.plan.name) ?? 0) > watch.resumes;
  if (!halted || !isResumed) world.violated('a loss waits for an operator', nameOf(watch));
}

/** A gap holds no record that could still be read. */
function checkGap(witness: OutWitness, watch: Watch, gap: Range & { cause: string }): void {
  const { records, earliest } = partitionOf(witness, watch);
  for (const { offset } of records) {
    if (offset < earliest || offset < gap.from || offset >= gap.to || gap.cause === 'recreated') continue;
    if (watch.taken.has(offset) || watch.letters.has(offset)) continue;
    witness.world.violated(
      'gaps are true',
      `${nameOf(watch)}/${offset} is in a gap (${gap.cause}) but readable`,
    );
  }
}

/** An instance has the lease, by one of its runs. */
function holds(
  { runs }: OutWitness,
  { leases }: Watch,
  { owner, expiresAtMs }: Standing,
  writer: Instance,
): void {
  leases.set(writer.name, { owner, untilMs: expiresAtMs });
  if (!runs.has(owner)) runs.set(owner, writer.clock.now());
}
