import { failureOf, type Verdict } from '../delivery/verdict.ts';
import { type Clock, noLongerNeeded } from '../shared/clock.ts';
import { Breaker, type BreakerLimits } from './breaker.ts';
import {
  activeEndpoint,
  breakEndpoint,
  type EndpointState,
  isProbeDue,
  stopEndpoint,
  takeProbe,
} from './endpoint-state.ts';
import { Pace } from './pace.ts';
import type { CheckpointStore } from './ports.ts';
import { type EndpointChange, SharedEndpoint } from './shared-endpoint.ts';

/** What attempts to an endpoint keep to. */
export interface EndpointLimits {
  /** Attempts under way at once on this instance. */
  readonly connectionsMax: number;
  /** Attempts a second on this instance; undefined: no limit. */
  readonly ratePerSecond?: number | undefined;
  readonly breaker: BreakerLimits;
}

/** What a gate needs. */
export interface GateOptions {
  readonly subscription: string;
  readonly limits: EndpointLimits;
  /** Most attempts a second that the receiver allows, where it has said so; `unknown`: the first attempt learns it. */
  readonly allowedPerSecond: () => number | 'unknown' | undefined;
  /** The longest that one attempt can take, in milliseconds. */
  readonly attemptMs: number;
  readonly checkpoints: Pick<CheckpointStore, 'readEndpoint' | 'createEndpoint' | 'replaceEndpoint'>;
  readonly clock: Clock;
}

/** `refused`: no attempt now. A `probe` decides whether a broken endpoint is back. */
export type Admission = 'attempt' | 'probe' | 'refused';

interface Waiter {
  readonly visitor: object;
  readonly records: number;
  readonly resolve: (admission: Admission) => void;
  readonly reject: (error: unknown) => void;
}

/** A walk sits out a wait (for the rate limit, or a `Retry-After`) of up to this; for a longer one it ends. */
const waitMsMax = 5_000;
/** How much longer than the longest attempt a probe belongs to the run that has taken it. */
const probeGraceMs = 5_000;

/**
 * Who may attempt a delivery to an endpoint, and when: concurrency, rate, waits that the receiver asked for, and the
 * state that all instances share. One per subscription and instance; walks are its visitors.
 *
 * A visitor is *admitted* before it walks, *enters* before each attempt, *leaves* after it with the verdict, and
 * *exits* at its end. Of the visitors of a broken endpoint one becomes the prober; the others wait for what comes of it.
 */
export class Gate {
  /** The state that all instances share, as it is known here. */
  readonly shared: SharedEndpoint;
  readonly #options: GateOptions;
  readonly #breaker: Breaker;
  readonly #pace: Pace;
  #prober: object | undefined;
  #probeIsOut = false;
  /** Until when the probe that was taken last belongs to this instance; by this it is known in the shared state. */
  #probeUntilMs = 0;
  #proberGone = Promise.withResolvers<void>();
  #inFlight = 0;
  #waiters: Waiter[] = [];
  #alarm: AbortController | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#breaker = new Breaker(options.limits.breaker);
    this.#pace = new Pace(() => rateOf(options), options.clock.now());
    this.shared = new SharedEndpoint({
      ...options,
      onOtherState: () => {
        this.#breaker.clear();
        this.#pace.clear();
      },
      onNews: () => this.#letIn(),
    });
  }

  /** The state as it is known here. */
  get endpoint(): EndpointState {
    return this.shared.endpoint;
  }

  /** Whether a broken endpoint is to be probed, with one record at a time. */
  get probing(): boolean {
    return this.endpoint.state === 'broken';
  }

  /** Whether no attempt may begin now, nor soon. */
  isShut(): boolean {
    const nowMs = this.#options.clock.now();
    const endpoint = this.endpoint;
    if (endpoint.state === 'active') return this.#pace.waitMs(nowMs) > waitMsMax;
    // A probe that is under way opens nothing that was stopped meanwhile.
    return isStopped(endpoint) || !(this.#probeIsOut || isProbeDue(endpoint, nowMs));
  }

  /** When the next attempt may begin, as far as is known here; `Infinity`: once somebody resumes the endpoint. */
  get opensAtMs(): number {
    const nowMs = this.#options.clock.now();
    const { state, probeAtMs } = this.endpoint;
    if (state === 'active') return nowMs + this.#pace.waitMs(nowMs);
    return state === 'broken' ? probeAtMs : Number.POSITIVE_INFINITY;
  }

  /**
   * Whether a walk makes sense now; with `anew` by a state that is read from now on. A visitor of a broken endpoint may
   * have to wait for the prober.
   *
   * @throws what the store throws.
   */
  async admit(visitor: object, anew = false): Promise<boolean> {
    await this.shared.refresh(anew);
    for (;;) {
      await this.shared.settled();
      if (this.isShut()) return false;
      if (!this.probing) return true;
      if (this.#prober === undefined) {
        this.#prober = visitor;
        return true;
      }
      await this.#proberGone.promise;
    }
  }

  /**
   * Asks for one attempt of so many records, with `ahead` before all who wait. Whoever is not refused must
   * {@link leave}; a probe is of one record.
   *
   * @throws what the store throws.
   */
  enter(visitor: object, { ahead = false, records = 1 } = {}): Admission | Promise<Admission> {
    const nowMs = this.#options.clock.now();
    const first = this.#waiters.length === 0 && !this.shared.isOld();
    if (first && this.#mayAttempt() && this.#pace.waitMs(nowMs) === 0) return this.#begin();
    return new Promise((resolve, reject) => {
      if (ahead) this.#waiters.unshift({ visitor, records, resolve, reject });
      else this.#waiters.push({ visitor, records, resolve, reject });
      this.#letIn();
    });
  }

  /**
   * Ends an attempt; without a verdict it was not made.
   *
   * @returns undefined when it changes nothing that other instances must know; else what resolves once that is stored.
   * @throws what the store throws.
   */
  leave(admission: Exclude<Admission, 'refused'>, verdict?: Verdict): Promise<void> | undefined {
    this.#inFlight -= 1;
    const change = verdict && this.#changeAfter(admission, verdict);
    const changed = change && this.shared.change(change);
    if (admission !== 'probe') {
      this.#letIn();
      return changed;
    }
    const settle = () => {
      this.#probeIsOut = false;
      this.#dismissProber();
      this.#letIn();
    };
    if (changed !== undefined) return changed.finally(settle);
    settle();
    return undefined;
  }

  /** A visitor is gone: whatever it waits for is refused. */
  exit(visitor: object): void {
    if (this.#prober === visitor) this.#dismissProber();
    this.refuse(visitor);
  }

  /** Refuses what a visitor waits for. */
  refuse(visitor: object): void {
    const refused = this.#waiters.filter((waiter) => waiter.visitor === visitor);
    if (refused.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.visitor !== visitor);
    for (const waiter of refused) refuse(waiter);
    this.#letIn();
  }

  /**
   * Pauses deliveries until an operator resumes them; an endpoint that is stopped already stays as it is.
   *
   * @throws what the store throws.
   */
  async pause(why: string): Promise<void> {
    const nowMs = this.#options.clock.now();
    // One that is known here to be stopped may have been resumed since, by somebody who knows nothing of this.
    await this.shared.refresh(true);
    await this.shared.change((endpoint) =>
      isStopped(endpoint) ? undefined : stopEndpoint(endpoint, 'paused', { why, nowMs }),
    );
  }

  #mayAttempt(): boolean {
    if (this.shared.changing || this.endpoint.state !== 'active') return false;
    return this.#hasRoom();
  }

  #hasRoom(): boolean {
    const { allowedPerSecond, limits } = this.#options;
    return this.#inFlight < (allowedPerSecond() === 'unknown' ? 1 : limits.connectionsMax);
  }

  #begin(): Admission {
    this.#inFlight += 1;
    this.#pace.noteAttempt();
    return 'attempt';
  }

  /** Lets in whoever waits, in their order, as far as may be. */
  #letIn(): void {
    this.#alarm?.abort(noLongerNeeded);
    this.#alarm = undefined;
    while (this.#waiters.length > 0 && !this.shared.changing) {
      if (this.isShut()) this.#turnAway(refuse);
      else if (this.probing) this.#letProberIn();
      if (this.#waiters.length === 0 || !this.#mayAttempt()) return;
      const waitMs = this.#pace.waitMs(this.#options.clock.now());
      if (waitMs > 0) {
        this.#ringAfter(waitMs);
        return;
      }
      if (this.shared.isOld()) {
        this.shared.refresh().then(
          () => this.#letIn(),
          (error: unknown) => this.#turnAway((waiter) => waiter.reject(error)),
        );
        return;
      }
      this.#waiters.shift()?.resolve(this.#begin());
    }
  }

  #ringAfter(waitMs: number): void {
    const alarm = new AbortController();
    this.#alarm = alarm;
    this.#options.clock.sleep(waitMs, alarm.signal).then(
      () => this.#letIn(),
      () => undefined,
    );
  }

  #turnAway(tell: (waiter: Waiter) => void): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) tell(waiter);
  }

  #letProberIn(): void {
    // What began before the endpoint broke may still be under way.
    if (this.#probeIsOut || this.#waiters.length === 0 || !this.#hasRoom()) return;
    // A request of more was made up when the endpoint was taken for active.
    const index = this.#waiters.findIndex(
      ({ visitor, records }) => visitor === this.#prober && records === 1,
    );
    const [waiter] = index === -1 ? [] : this.#waiters.splice(index, 1);
    if (waiter === undefined) {
      this.#turnAway(refuse);
      return;
    }
    this.#probeIsOut = true;
    this.#inFlight += 1;
    const nowMs = this.#options.clock.now();
    const untilMs = nowMs + this.#options.attemptMs + probeGraceMs;
    this.#probeUntilMs = untilMs;
    let taken = false;
    this.shared
      .change((endpoint) => {
        taken = isProbeDue(endpoint, nowMs);
        return taken ? takeProbe(endpoint, untilMs) : undefined;
      })
      .then(
        () => {
          // Where storage was slow, somebody else may have the probe before an attempt would end.
          const inTime = this.#options.clock.now() <= nowMs + probeGraceMs;
          if (taken && inTime) {
            this.#pace.noteAttempt();
            waiter.resolve('probe');
          } else this.#withoutProbe(() => waiter.resolve('refused'));
        },
        (error: unknown) => this.#withoutProbe(() => waiter.reject(error)),
      );
  }

  /** The probe belongs to somebody else, or will before long, or nobody knows to whom. */
  #withoutProbe(answer: () => void): void {
    this.#inFlight -= 1;
    this.#probeIsOut = false;
    answer();
    this.#letIn();
  }

  #dismissProber(): void {
    this.#prober = undefined;
    this.#proberGone.resolve();
    this.#proberGone = Promise.withResolvers();
  }

  #changeAfter(admission: Admission, verdict: Verdict): EndpointChange | undefined {
    const { clock, limits } = this.#options;
    const nowMs = clock.now();
    if (verdict.kind === 'disable') {
      return (endpoint) =>
        isStopped(endpoint) ? undefined : stopEndpoint(endpoint, 'disabled', { why: verdict.error, nowMs });
    }
    const failing = 'endpoint' in verdict && verdict.endpoint === 'failing';
    const waitUntilMs = 'waitUntilMs' in verdict ? (verdict.waitUntilMs ?? 0) : 0;
    if (admission === 'probe') return this.#changeAfterProbe(failing, waitUntilMs, nowMs);
    const { state, sinceMs } = this.endpoint;
    if (state !== 'active') return undefined;

    const opens = this.#breaker.record(failing, nowMs);
    this.#pace.waitUntil(waitUntilMs);
    const asksForLong = waitUntilMs - nowMs > limits.breaker.openMs;
    if (!opens && !asksForLong) return undefined;
    const { failureRatio, attemptsMin } = limits.breaker;
    const why = asksForLong
      ? 'the receiver asks to be left alone for a while'
      : `at least ${Math.round(failureRatio * 100)} % of the last ${attemptsMin} attempts failed, the last: ${failureOf(verdict)}`;
    return (endpoint) => {
      // What was heard before others found it broken, and well again, says nothing against it now.
      if (endpoint.state !== 'active' || endpoint.sinceMs !== sinceMs) return undefined;
      const probeAtMs = Math.max(nowMs + this.#breaker.openMs(endpoint.openings), waitUntilMs);
      return breakEndpoint(endpoint, { why, nowMs, probeAtMs });
    };
  }

  #changeAfterProbe(failing: boolean, waitUntilMs: number, nowMs: number): EndpointChange {
    const untilMs = this.#probeUntilMs;
    return (endpoint) => {
      // It counts already (by a write whose answer was lost), or somebody has taken the next, or stopped the endpoint.
      if (endpoint.probeAtMs !== untilMs) return undefined;
      if (!failing) return activeEndpoint(endpoint.subscription, nowMs);
      const probeAtMs = Math.max(nowMs + this.#breaker.openMs(endpoint.openings), waitUntilMs);
      return breakEndpoint(endpoint, { why: endpoint.why, nowMs, probeAtMs });
    };
  }
}

function refuse({ resolve }: Waiter): void {
  resolve('refused');
}

function isStopped({ state }: EndpointState): boolean {
  return state === 'paused' || state === 'disabled';
}

/** Most attempts a second, by the configuration and by what the receiver allows. */
function rateOf({ limits, allowedPerSecond }: GateOptions): number | undefined {
  const { ratePerSecond } = limits;
  const allowed = allowedPerSecond();
  if (typeof allowed !== 'number') return ratePerSecond;
  return ratePerSecond === undefined ? allowed : Math.min(ratePerSecond, allowed);
}
