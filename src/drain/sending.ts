import type { Delivery, Preparation, PreparedRecord } from '../delivery/deliver.ts';
import type { Verdict } from '../delivery/verdict.ts';
import type { Attempt, DeadLetterStore } from '../events/dead-letter.ts';
import type { TopicRecord } from '../events/record.ts';
import type { Clock } from '../shared/clock.ts';
import { describeError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { type Consignment, inRequests } from './consignment.ts';
import { deadLetterKey, deadLetterOf } from './dead-letter.ts';
import type { Admission, Gate } from './gate.ts';
import type { Lane, Lanes } from './lanes.ts';
import type { Parking } from './parking.ts';
import type { ParkedRecord } from './ports.ts';

/** A record on its way out. */
export interface Outgoing {
  readonly lane: Lane;
  readonly record: TopicRecord;
  /** Attempts that failed before, and what is remembered of them. */
  readonly failures: number;
  readonly attempts: readonly Attempt[];
  /** Of a record from the log: the first offset that finishes with it. Undefined: the record is parked. */
  readonly fromOffset: bigint | undefined;
}

/** What sending asks of the walk that it is part of. */
export interface Course {
  /**
   * Whether an attempt may begin: the walk goes on, in time, and its lease outlasts the attempt. A promise: the lease
   * is renewed first, and it tells whether to ask again then.
   */
  mayAttempt(): boolean | Promise<boolean>;
  /** A record from the log needs nothing more. */
  finish(outgoing: Outgoing): void;
  /** A record from the log keeps its partition waiting, with its next attempt at `atMs`. */
  holdBack(outgoing: Outgoing, retry: { readonly atMs: number; readonly error: string }): void;
  /** No attempt may be made any more; what is not finished stays so. */
  stop(end: 'endpoint-closed' | 'lease-lost'): void;
}

/** How many records came to what. */
export interface Tally {
  delivered: number;
  filtered: number;
  parked: number;
  deadLettered: number;
}

/** What sending needs. */
export interface SendingOptions {
  readonly subscription: string;
  /** Whether a record that fails is parked; else it holds its partition back. */
  readonly parks: boolean;
  readonly delivery: Delivery;
  readonly gate: Gate;
  readonly visitor: object;
  readonly lanes: Lanes;
  readonly parking: Parking;
  readonly deadLetters: DeadLetterStore;
  readonly clock: Clock;
  readonly report: Log;
  readonly telemetry: Telemetry;
  readonly course: Course;
}

interface Attempted {
  readonly attempt: Attempt;
  readonly verdict: Verdict;
  /** Ends when what it says of the endpoint is stored. */
  readonly endpointChanged?: Promise<void> | undefined;
}

/** How long a record whose attempt threw waits for the next one, and after how many attempts it is given up. */
const brokenAttemptDelayMs = 60_000;
const brokenAttemptsMax = 10;
/** How many attempts at a record are remembered: the first one and the last ones. */
const attemptsKeptMax = 20;

/**
 * Sends records of busy lanes: one request after another, each followed by what its verdict says, in this order: the
 * delivery; what is parked or dead-lettered; then the record is finished.
 */
export class Sending {
  readonly #options: SendingOptions;
  readonly #attributes: { readonly subscription: string };
  /** What is to be sent of batches that were refused and are being taken apart. */
  readonly #takenApart = new Set<unknown>();
  readonly tally: Tally = { delivered: 0, filtered: 0, parked: 0, deadLettered: 0 };

  constructor(options: SendingOptions) {
    this.#options = options;
    this.#attributes = { subscription: options.subscription };
  }

  /** Whether a batch that was refused is being taken apart: a walk that stopped now would begin anew with all of it. */
  get takesApart(): boolean {
    return this.#takenApart.size > 0;
  }

  /**
   * Sends records that failed equally often; those of a lane stand in their order. Lanes are not freed.
   *
   * @throws what a store throws; what was not finished until then stays so.
   */
  async send(outgoing: readonly Outgoing[]): Promise<void> {
    const { delivery } = this.#options;
    const ready: Consignment[] = [];
    for (const one of outgoing) {
      const preparing = this.#prepare(one.record);
      const preparation = preparing instanceof Promise ? await preparing : preparing;
      if (preparation.kind === 'ready') ready.push({ outgoing: one, prepared: preparation.prepared });
      else if (preparation.kind === 'failed') await this.#deadLetter([one], preparation.reason);
      else await this.#filter(one);
    }
    const pending: (readonly Consignment[])[] = inRequests(ready, delivery.batch).reverse();
    // Lanes that a record was parked of here: what comes later of them is parked behind it.
    const parked = new Set<Lane>();
    try {
      for (let request = pending.pop(); request !== undefined; request = pending.pop()) {
        const open = parked.size === 0 ? request : await this.#parkBehind(request, parked);
        if (open.length === 0) continue;
        // Parts of a refused batch go ahead: else such batches would wait for each other, and none come to its end.
        const attempted = await this.#attempt(open, { ahead: this.#takenApart.has(pending) });
        if (attempted === undefined) return;
        const goesOn = this.#settle(open, attempted, { parked, pending });
        if (!(typeof goesOn === 'boolean' ? goesOn : await goesOn)) return;
        // The records come first: what was delivered is noted even when the endpoint's state cannot be stored.
        if (attempted.endpointChanged !== undefined) await attempted.endpointChanged;
      }
    } finally {
      this.#takenApart.delete(pending);
    }
  }

  /** Parks records of the log behind parked ones of their lanes, without an attempt. @throws what the store throws. */
  async parkUnattempted(outgoing: readonly Outgoing[]): Promise<boolean> {
    const kept: Outgoing[] = [];
    for (const one of outgoing) {
      // What the filter keeps out must not take the room of others.
      const preparing = this.#prepare(one.record);
      const preparation = preparing instanceof Promise ? await preparing : preparing;
      if (preparation.kind === 'filtered') await this.#filter(one);
      else kept.push(one);
    }
    if (kept.length === 0) return true;
    const nextAttemptMs = this.#options.clock.now();
    return this.#park(kept, ({ record }) => ({ record, failures: 0, nextAttemptMs, attempts: [] }));
  }

  /** Throws nothing: a defect in preparing is one in the attempt. */
  #prepare(record: TopicRecord): Preparation | Promise<Preparation> {
    try {
      const preparing = this.#options.delivery.prepare(record);
      return preparing instanceof Promise ? preparing.catch(unpreparable) : preparing;
    } catch (error) {
      return unpreparable(error);
    }
  }

  /** One request; undefined: it may not be made, and the walk ends. */
  async #attempt(
    request: readonly Consignment[],
    { ahead }: { readonly ahead: boolean },
  ): Promise<Attempted | undefined> {
    const { gate, visitor, course } = this.#options;
    const entering = gate.enter(visitor, { ahead, records: request.length });
    const admission = typeof entering === 'string' ? entering : await entering;
    if (admission === 'refused') {
      course.stop('endpoint-closed');
      return undefined;
    }
    const allowed = course.mayAttempt();
    if (allowed === true) return this.#attemptAdmitted(request, admission);
    const mayAskAgain = await allowed;
    await gate.leave(admission);
    // Those that waited for the lease would leave together, whatever the rate, and a probe after its time.
    return mayAskAgain ? this.#attempt(request, { ahead: true }) : undefined;
  }

  async #attemptAdmitted(
    request: readonly Consignment[],
    admission: Exclude<Admission, 'refused'>,
  ): Promise<Attempted> {
    const { gate, telemetry, delivery } = this.#options;
    const failures = request[0]?.outgoing.failures ?? 0;
    let attempted: Attempted;
    try {
      const prepared: PreparedRecord[] = request.map((consignment) => consignment.prepared);
      attempted = await delivery.attempt(prepared, failures);
    } catch (error) {
      attempted = this.#broken(error, request.length, failures);
    }
    const { attempt, verdict } = attempted;
    telemetry.duration('sluice.delivery.duration', attempt.latencyMs, this.#attributes);
    if (verdict.kind !== 'done') this.#logFailure(request, failures, attempted);
    const endpointChanged = gate.leave(admission, verdict);
    if (endpointChanged === undefined) return attempted;
    endpointChanged.then(
      () => this.#logEndpoint(),
      () => undefined,
    );
    return { ...attempted, endpointChanged };
  }

  /** Only a defect makes an attempt throw: its records are tried again, but not for ever, and never lost. */
  #broken(error: unknown, records: number, failures: number): Attempted {
    const atMs = this.#options.clock.now();
    const answer = `the attempt broke: ${describeError(error)}`;
    const attempt: Attempt = { atMs, latencyMs: 0, status: null, answer };
    if (failures + 1 < brokenAttemptsMax) {
      const verdict: Verdict = {
        kind: 'retry',
        atMs: atMs + brokenAttemptDelayMs,
        error: answer,
        endpoint: 'refusing',
      };
      return { attempt, verdict };
    }
    if (records > 1) return { attempt, verdict: { kind: 'split', error: answer, endpoint: 'refusing' } };
    const reason = { code: 'delivery.broken', message: answer } as const;
    return { attempt, verdict: { kind: 'dead-letter', reason, endpoint: 'refusing' } };
  }

  #logFailure(request: readonly Consignment[], failures: number, { attempt, verdict }: Attempted): void {
    const first = request[0]?.outgoing.record;
    this.#options.report.warn('delivery.failed', {
      subscription: this.#options.subscription,
      topic: first?.topic,
      partition: first?.partition,
      offset: first?.offset,
      records: request.length,
      failures: failures + 1,
      status: attempt.status,
      latencyMs: attempt.latencyMs,
      verdict: verdict.kind,
      error: 'error' in verdict ? verdict.error : 'reason' in verdict ? verdict.reason.message : undefined,
      nextAttemptMs: verdict.kind === 'retry' ? verdict.atMs : undefined,
    });
  }

  #logEndpoint(): void {
    const { gate, report, subscription } = this.#options;
    const { state, why, probeAtMs } = gate.endpoint;
    report.warn('drain.endpoint', { subscription, state, why, probeAtMs });
  }

  /** Does what the verdict says. False: the walk ends. */
  #settle(
    request: readonly Consignment[],
    { attempt, verdict }: Attempted,
    { parked, pending }: { readonly parked: Set<Lane>; readonly pending: (readonly Consignment[])[] },
  ): boolean | Promise<boolean> {
    const outgoing = request.map((consignment) => consignment.outgoing);
    switch (verdict.kind) {
      case 'done':
        this.tally.delivered += outgoing.length;
        this.#options.telemetry.count('sluice.delivered', outgoing.length, this.#attributes);
        return this.#finish(outgoing);
      case 'dead-letter':
        return this.#deadLetter(
          outgoing.map((one) => ({ ...one, attempts: remember(one.attempts, attempt) })),
          verdict.reason,
        );
      case 'retry':
        for (const { lane } of outgoing) parked.add(lane);
        return this.#tryLater(outgoing, attempt, verdict);
      case 'split': {
        const half = Math.ceil(request.length / 2);
        this.#takenApart.add(pending);
        pending.push(request.slice(half), request.slice(0, half));
        return true;
      }
      case 'disable':
        // The gate has stopped the endpoint.
        this.#options.course.stop('endpoint-closed');
        return false;
    }
  }

  async #tryLater(
    outgoing: readonly Outgoing[],
    attempt: Attempt,
    { atMs, error }: { readonly atMs: number; readonly error: string },
  ): Promise<boolean> {
    const [first] = outgoing;
    if (first !== undefined && first.fromOffset !== undefined && !this.#options.parks) {
      const failed = { ...first, failures: first.failures + 1, attempts: remember(first.attempts, attempt) };
      this.#options.course.holdBack(failed, { atMs, error });
      return false;
    }
    return this.#park(outgoing, ({ record, failures, attempts }) => ({
      record,
      failures: failures + 1,
      nextAttemptMs: atMs,
      attempts: remember(attempts, attempt),
    }));
  }

  /** Parks what belongs to lanes that were parked meanwhile; gives what is left. */
  async #parkBehind(
    request: readonly Consignment[],
    parked: ReadonlySet<Lane>,
  ): Promise<readonly Consignment[]> {
    const behind = request.map(({ outgoing }) => outgoing).filter(({ lane }) => parked.has(lane));
    // Those that are parked already stay as they are.
    const fresh = behind.filter(({ fromOffset }) => fromOffset !== undefined);
    if (fresh.length > 0 && !(await this.parkUnattempted(fresh))) return [];
    return behind.length === 0 ? request : request.filter(({ outgoing }) => !parked.has(outgoing.lane));
  }

  /** Parks records; only when that is durable are they finished in the log. */
  async #park(outgoing: readonly Outgoing[], parkedOf: (one: Outgoing) => ParkedRecord): Promise<boolean> {
    const { parking, course } = this.#options;
    const records = outgoing.map(parkedOf);
    if (!(await parking.put(records))) {
      course.stop('lease-lost');
      return false;
    }
    for (const [index, one] of outgoing.entries()) {
      const { failures, nextAttemptMs } = records[index] as ParkedRecord;
      const { offset, key } = one.record;
      const entry = { offset, key, failures, nextAttemptMs };
      if (one.fromOffset === undefined) {
        one.lane.parked[one.lane.parked.findIndex((known) => known.offset === offset)] = entry;
        continue;
      }
      one.lane.parked.push(entry);
      this.tally.parked += 1;
      course.finish(one);
    }
    return true;
  }

  /** Keeps records as dead letters; only when that is durable are they finished. */
  async #deadLetter(
    outgoing: readonly Outgoing[],
    reason: { readonly code: string; readonly message: string },
  ): Promise<boolean> {
    const { subscription, deadLetters, clock, telemetry, report } = this.#options;
    for (const { record, attempts } of outgoing) {
      const letter = deadLetterOf({ subscription, record, attempts, reason, nowMs: clock.now() });
      await deadLetters.add(letter, deadLetterKey(record));
      this.tally.deadLettered += 1;
      telemetry.count('sluice.dead-lettered', 1, this.#attributes);
      const { topic, partition, offset } = record;
      report.error('delivery.dead-lettered', { subscription, topic, partition, offset, ...reason });
    }
    return this.#finish(outgoing);
  }

  #filter(one: Outgoing): boolean | Promise<boolean> {
    this.tally.filtered += 1;
    return this.#finish([one]);
  }

  /** Records need nothing more. False: they were parked, and somebody else has taken over. */
  #finish(outgoing: readonly Outgoing[]): boolean | Promise<boolean> {
    if (outgoing[0]?.fromOffset === undefined) return this.#unpark(outgoing);
    for (const one of outgoing) this.#options.course.finish(one);
    return true;
  }

  async #unpark(outgoing: readonly Outgoing[]): Promise<boolean> {
    if (outgoing.length === 0) return true;
    if (!(await this.#options.parking.remove(outgoing.map(({ record }) => record.offset)))) {
      this.#options.course.stop('lease-lost');
      return false;
    }
    for (const { lane, record } of outgoing) {
      const index = lane.parked.findIndex(({ offset }) => offset === record.offset);
      if (index !== -1) lane.parked.splice(index, 1);
    }
    return true;
  }
}

function unpreparable(error: unknown): Preparation {
  const message = `the record could not be made ready: ${describeError(error)}`;
  return { kind: 'failed', reason: { code: 'delivery.unpreparable', message } };
}

/** Adds an attempt to those remembered: the first one stays, and the last ones. */
function remember(attempts: readonly Attempt[], attempt: Attempt): readonly Attempt[] {
  const all = [...attempts, attempt];
  const [first] = all;
  if (all.length <= attemptsKeptMax || first === undefined) return all;
  return [first, ...all.slice(1 - attemptsKeptMax)];
}
