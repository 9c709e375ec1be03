import { failureOf, type Verdict } from '../delivery/verdict.ts';
import { type Clock, noLongerNeeded } from '../shared/clock.ts';
import { SluiceError } from '../shared/error.ts';
import { Breaker, type BreakerLimits } from './breaker.ts';
import {
  activeEndpoint,
  breakEndpoint,
  type EndpointState,
  isProbeDue,
  stopEndpoint,
  takeProbe,
} from './endpoint-state.ts';
import type { CheckpointStore, StoredEndpoint } from './ports.ts';

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
  /** Most attempts a second that the receiver allows, where it has said so; `unknown`: it will say so to the first. */
  readonly allowedPerSecond: () => number | 'unknown' | undefined;
  /** The longest that one attempt can take, in milliseconds. */
  readonly attemptMs: number;
  readonly checkpoints: Pick<CheckpointStore, 'readEndpoint' | 'createEndpoint' | 'replaceEndpoint'>;
  readonly clock: Clock;
}

/** `refused`: no attempt now. A `probe` decides whether a broken endpoint is back. */
export type Admission = 'attempt' | 'probe' | 'refused';

/** Taken before the state is read: whatever was learnt since is newer than what that read brings. */
export interface Mark {
  /** How many answers about the state had been taken in by then. */
  readonly learnt: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

interface Waiter {
  readonly visitor: object;
  readonly resolve: (admission: Admission) => void;
  readonly reject: (error: unknown) => void;
}

/** A state that was read longer ago is read again before anybody is let in, so that a pause stops walks under way. */
const knownMsMax = 5_000;
/** A walk sits out a wait (for the rate limit, or a `Retry-After`) of up to this; for a longer one it ends. */
const waitMsMax = 5_000;
/** How much longer than the longest attempt a probe belongs to the run that has taken it. */
const probeGraceMs = 5_000;
/** How often a change of the state is tried that others have anticipated. */
const changeTriesMax = 5;

/**
 * Who may attempt a delivery to an endpoint, and when: concurrency, rate, waits that the receiver asked for, and the
 * state that all instances share. One per subscription and instance; walks are its visitors.
 *
 * A visitor is *admitted* before it walks, *enters* before each attempt, *leaves* after it with the verdict, and
 * *exits* at its end. Of the visitors of a broken endpoint one becomes the prober; the others wait for what comes of it.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #breaker: Breaker;
  #stored: StoredEndpoint | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** Counts what was learnt of the state, so that an answer asked for before is known to be old. */
  #learnt = 0;
  #refreshing: Promise<void> | undefined;
  #change: Promise<unknown> | undefined;
  #prober: object | undefined;
  #probeIsOut = false;
  #proberGone = Promise.withResolvers<void>();
  #inFlight = 0;
  #waiters: Waiter[] = [];
  #waitUntilMs = 0;
  #tokens = 1;
  #tokensAtMs: number;
  #alarm: AbortController | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#breaker = new Breaker(options.limits.breaker);
    this.#tokensAtMs = options.clock.now();
  }

  /** The state as it is known here. */
  get endpoint(): EndpointState {
    return this.#state();
  }

  /** Whether a broken endpoint is to be probed, with one record at a time. */
  get probing(): boolean {
    return this.#state().state === 'broken';
  }

  /** Whether no attempt may begin now, nor soon. */
  isShut(): boolean {
    const nowMs = this.#options.clock.now();
    const endpoint = this.#state();
    if (endpoint.state === 'active') return this.#waitMs(nowMs) > waitMsMax;
    return !(this.#probeIsOut || isProbeDue(endpoint, nowMs));
  }

  /** When the next attempt may begin, as far as is known here; `Infinity`: once somebody resumes the endpoint. */
  get opensAtMs(): number {
    const nowMs = this.#options.clock.now();
    const { state, probeAtMs } = this.#state();
    if (state === 'active') return nowMs + this.#waitMs(nowMs);
    return state === 'broken' ? probeAtMs : Number.POSITIVE_INFINITY;
  }

  /** To be taken before the state is read, and handed to {@link learn} with what was read. */
  get mark(): Mark {
    return { learnt: this.#learnt, atMs: this.#options.clock.now() };
  }

  /** Takes in the state as it was read after `mark` was taken, unless something newer is known. */
  learn(stored: StoredEndpoint | undefined, { learnt, atMs }: Mark): void {
    if (learnt !== this.#learnt) return;
    this.#set(stored);
    this.#askedAtMs = atMs;
    this.#letIn();
  }

  /**
   * Reads the state if it is old, once for all who ask meanwhile; with `anew` by a read that begins from now on.
   *
   * @throws what the store throws.
   */
  async refresh(anew = false): Promise<void> {
    if (anew) await this.#refreshing;
    else if (!this.#isOld()) return;
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /**
   * Whether a walk makes sense now; with `anew` by a state that is read from now on. A visitor of a broken endpoint may
   * have to wait for the prober.
   *
   * @throws what the store throws.
   */
  async admit(visitor: object, anew = false): Promise<boolean> {
    await this.refresh(anew);
    for (;;) {
      await this.#change?.catch(() => undefined);
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
   * Asks for one attempt, with `ahead` before all who wait. Whoever is not refused must {@link leave}.
   *
   * @throws what the store throws.
   */
  enter(visitor: object, ahead = false): Admission | Promise<Admission> {
    const nowMs = this.#options.clock.now();
    const first = this.#waiters.length === 0 && !this.#isOld();
    if (first && this.#mayAttempt() && this.#waitMs(nowMs) === 0) return this.#begin();
    return new Promise((resolve, reject) => {
      if (ahead) this.#waiters.unshift({ visitor, resolve, reject });
      else this.#waiters.push({ visitor, resolve, reject });
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
    const changed = change && this.#apply(change);
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
   * Stops deliveries until an operator resumes them; an endpoint that is stopped already stays as it is.
   *
   * @throws what the store throws.
   */
  stop(state: 'paused' | 'disabled', why: string): Promise<void> {
    const nowMs = this.#options.clock.now();
    return this.#apply((endpoint) =>
      isStopped(endpoint) ? undefined : stopEndpoint(endpoint, state, { why, nowMs }),
    );
  }

  #isOld(): boolean {
    return this.#options.clock.now() - this.#askedAtMs >= knownMsMax;
  }

  async #read(): Promise<void> {
    const { mark } = this;
    this.learn(await this.#options.checkpoints.readEndpoint(this.#options.subscription), mark);
  }

  #state(): EndpointState {
    return this.#stored?.endpoint ?? activeEndpoint(this.#options.subscription, 0);
  }

  #mayAttempt(): boolean {
    if (this.#change !== undefined || this.#state().state !== 'active') return false;
    const { allowedPerSecond, limits } = this.#options;
    return this.#inFlight < (allowedPerSecond() === 'unknown' ? 1 : limits.connectionsMax);
  }

  #begin(): Admission {
    this.#inFlight += 1;
    if (this.#rate() !== undefined) this.#tokens -= 1;
    return 'attempt';
  }

  /** Lets in whoever waits, in their order, as far as may be. */
  #letIn(): void {
    this.#alarm?.abort(noLongerNeeded);
    this.#alarm = undefined;
    while (this.#waiters.length > 0 && this.#change === undefined) {
      if (this.isShut()) this.#turnAway(refuse);
      else if (this.probing) this.#letProberIn();
      if (this.#waiters.length === 0 || !this.#mayAttempt()) return;
      const waitMs = this.#waitMs(this.#options.clock.now());
      if (waitMs > 0) {
        this.#ringAfter(waitMs);
        return;
      }
      if (this.#isOld()) {
        this.refresh().then(
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
    if (this.#probeIsOut || this.#waiters.length === 0) return;
    const index = this.#waiters.findIndex(({ visitor }) => visitor === this.#prober);
    const [waiter] = index === -1 ? [] : this.#waiters.splice(index, 1);
    if (waiter === undefined) {
      this.#turnAway(refuse);
      return;
    }
    this.#probeIsOut = true;
    this.#inFlight += 1;
    const nowMs = this.#options.clock.now();
    const untilMs = nowMs + this.#options.attemptMs + probeGraceMs;
    let taken = false;
    this.#apply((endpoint) => {
      taken = isProbeDue(endpoint, nowMs);
      return taken ? takeProbe(endpoint, untilMs) : undefined;
    }).then(
      () => {
        // Where storage was slow, somebody else may have the probe before an attempt would end.
        const inTime = this.#options.clock.now() <= nowMs + probeGraceMs;
        if (taken && inTime) waiter.resolve('probe');
        else this.#withoutProbe(() => waiter.resolve('refused'));
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
    if (this.#state().state !== 'active') return undefined;

    const opens = this.#breaker.record(failing, nowMs);
    this.#waitUntilMs = Math.max(this.#waitUntilMs, waitUntilMs);
    const asksForLong = waitUntilMs - nowMs > limits.breaker.openMs;
    if (!opens && !asksForLong) return undefined;
    const { failureRatio, attemptsMin } = limits.breaker;
    const why = asksForLong
      ? 'the receiver asks to be left alone for a while'
      : `at least ${Math.round(failureRatio * 100)} % of the last ${attemptsMin} attempts failed, the last: ${failureOf(verdict)}`;
    return (endpoint) => {
      if (endpoint.state !== 'active') return undefined;
      const probeAtMs = Math.max(nowMs + this.#breaker.openMs(endpoint.openings), waitUntilMs);
      return breakEndpoint(endpoint, { why, nowMs, probeAtMs });
    };
  }

  #changeAfterProbe(failing: boolean, waitUntilMs: number, nowMs: number): EndpointChange {
    return (endpoint) => {
      if (endpoint.state !== 'broken') return undefined;
      if (!failing) return activeEndpoint(endpoint.subscription, nowMs);
      const probeAtMs = Math.max(nowMs + this.#breaker.openMs(endpoint.openings), waitUntilMs);
      return breakEndpoint(endpoint, { why: endpoint.why, nowMs, probeAtMs });
    };
  }

  /** Changes follow one another; until one is stored, nobody is let in. */
  #apply(change: EndpointChange): Promise<void> {
    const before = this.#change ?? Promise.resolve();
    const applied = before.catch(() => undefined).then(() => this.#store(change));
    this.#change = applied;
    return applied.finally(() => {
      if (this.#change !== applied) return;
      this.#change = undefined;
      this.#letIn();
    });
  }

  async #store(change: EndpointChange): Promise<void> {
    const { checkpoints, subscription } = this.#options;
    for (let tries = 0; tries < changeTriesMax; tries += 1) {
      const next = change(this.#state());
      if (next === undefined) return;
      const written = this.#stored
        ? await checkpoints.replaceEndpoint(next, this.#stored.version)
        : await checkpoints.createEndpoint(next);
      this.#set(written ?? (await checkpoints.readEndpoint(subscription)));
      if (written !== undefined) return;
    }
    const message = `the state of the endpoint of ${subscription} was changed by others ${changeTriesMax} times meanwhile`;
    throw new SluiceError({ code: 'drain.endpoint-contested', message, retryable: true });
  }

  #set(stored: StoredEndpoint | undefined): void {
    const before = this.#state().state;
    this.#stored = stored;
    this.#learnt += 1;
    if (this.#state().state === before) return;
    this.#breaker.clear();
    this.#waitUntilMs = 0;
  }

  #rate(): number | undefined {
    const { ratePerSecond } = this.#options.limits;
    const allowed = this.#options.allowedPerSecond();
    if (typeof allowed !== 'number') return ratePerSecond;
    return ratePerSecond === undefined ? allowed : Math.min(ratePerSecond, allowed);
  }

  /** How long until the next attempt may begin, by rate and by what the receiver asked for. */
  #waitMs(nowMs: number): number {
    const askedMs = this.#waitUntilMs - nowMs;
    const rate = this.#rate();
    if (rate === undefined) return Math.max(askedMs, 0);
    // A second's worth may be saved up.
    this.#tokens = Math.min(
      this.#tokens + (Math.max(0, nowMs - this.#tokensAtMs) * rate) / 1000,
      Math.max(rate, 1),
    );
    this.#tokensAtMs = nowMs;
    return Math.max(askedMs, this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1000) / rate));
  }
}

function refuse({ resolve }: Waiter): void {
  resolve('refused');
}

/** What becomes of a state; undefined: it stays. */
type EndpointChange = (endpoint: EndpointState) => EndpointState | undefined;

function isStopped({ state }: EndpointState): boolean {
  return state === 'paused' || state === 'disabled';
}
