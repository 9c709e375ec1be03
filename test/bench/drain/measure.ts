import { systemClock } from '../../../src/shared/clock.ts';
import { SluiceError } from '../../../src/shared/error.ts';
import { assertAllProduced } from '../tally.ts';
import { type DrainCase, type DrainPlan, nameOf, urlOf } from './cases.ts';
import type { Arrivals } from './sink.ts';
import type { DrainStage } from './stage.ts';

/** What one measurement came to. */
export interface Measured {
  readonly records: number;
  readonly ms: number;
}

/** What the bridge came to, with what it wrote to tables meanwhile. */
export interface MeasuredDrain extends Measured {
  readonly tableWrites: number;
}

const lookMs = 50;
/** A run of the drain that ends before all is delivered is followed by another after this, as by a timer. */
const idleMsMax = 1_000;
/** Without any arrival for so long, something is broken. */
const silenceMsMax = 60_000;
const nothing = { before: { events: 0, idSum: 0 } };

type Plan = Pick<DrainPlan, 'records' | 'warmUpMs' | 'measureMs'>;

/**
 * Measures the bridge on a topic's standing backlog. When the time is over the topic is cut short, the bridge comes
 * to its end, and every record that was in it must have arrived, once.
 *
 * @throws {SluiceError} when records are missing or came twice.
 */
export async function measureBridge(stage: DrainStage, one: DrainCase, plan: Plan): Promise<MeasuredDrain> {
  const topic = nameOf(one);
  const path = urlOf('', one, topic);
  await stage.append(topic, plan.records);
  await stage.begin({ path, warmUpMs: plan.warmUpMs, measureMs: plan.measureMs, records: plan.records });
  await stage.drain();
  await drainUntil(stage, path, ({ phase }) => phase === 'measuring' || phase === 'measured');
  const before = await stage.figures();
  const { measured } = await drainUntil(stage, path, ({ phase }) => phase === 'measured');
  const after = await stage.figures();
  await settle(stage, one);
  return { ...measured, tableWrites: after.tableWrites - before.tableWrites };
}

/**
 * Cuts a case's topic short where the bridge has read it, and waits for its end.
 *
 * @throws {SluiceError} when records are missing or came twice.
 */
export async function settle(stage: DrainStage, one: DrainCase): Promise<void> {
  const topic = nameOf(one);
  const path = urlOf('', one, topic);
  // What was read and is not delivered yet would take long before a slow endpoint, and is not measured.
  await stage.hurry(path);
  const left = await stage.compact(topic);
  const all = await drainUntil(stage, path, ({ distinct }) => distinct.events >= left.events);
  assertOnce(path, all);
  assertAllProduced(left, { ...nothing, after: all.distinct });
}

/** Measures the bare loop that posts the same, with the same concurrency. */
export async function measureCeiling(stage: DrainStage, one: DrainCase, plan: Plan): Promise<Measured> {
  const { batch, maxInFlight, connectionsMax } = one;
  const path = urlOf('', one, `ceiling-${nameOf(one)}`);
  const { records, warmUpMs, measureMs } = plan;
  await stage.begin({ path, warmUpMs, measureMs, records });
  const acknowledged = await stage.post({
    url: `${stage.sinkUrl}${path}`,
    batch,
    maxInFlight,
    connectionsMax,
    records,
    ms: warmUpMs + measureMs + overtimeMs,
  });
  const all = await stage.look(path);
  assertOnce(path, all);
  assertAllProduced(acknowledged, { ...nothing, after: all.distinct });
  return all.measured;
}

/** The loop goes on for longer than it is measured: what is measured begins with its first arrival. */
const overtimeMs = 300;

/** Waits until what arrives at a path is as asked, and has the drain run again whenever it seems to have ended. */
export async function drainUntil(
  stage: DrainStage,
  path: string,
  isReached: (arrivals: Arrivals) => boolean,
): Promise<Arrivals> {
  let events = -1;
  let lastArrivalMs = performance.now();
  let askedMs = lastArrivalMs;
  for (;;) {
    const arrivals = await stage.look(path);
    if (isReached(arrivals)) return arrivals;
    const nowMs = performance.now();
    if (arrivals.distinct.events > events) {
      events = arrivals.distinct.events;
      lastArrivalMs = nowMs;
    } else if (nowMs - lastArrivalMs > silenceMsMax) {
      throw wrong(`nothing came to ${path} for ${silenceMsMax} ms, after ${events} records`);
    } else if (nowMs - Math.max(lastArrivalMs, askedMs) > idleMsMax) {
      askedMs = nowMs;
      await stage.drain();
    }
    await systemClock.sleep(lookMs);
  }
}

function assertOnce(path: string, { repeated }: Arrivals): void {
  if (repeated > 0) throw wrong(`${repeated} records came to ${path} more than once`);
}

function wrong(message: string): SluiceError {
  return new SluiceError({ code: 'bench.miscounted', message, retryable: false });
}
