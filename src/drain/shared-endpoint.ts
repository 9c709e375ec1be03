import type { Clock } from '../shared/clock.ts';
import { SluiceError } from '../shared/error.ts';
import { activeEndpoint, type EndpointState } from './endpoint-state.ts';
import type { CheckpointStore, StoredEndpoint } from './ports.ts';

/** Taken before the state is read: whatever was learnt since is newer than what that read brings. */
export interface Mark {
  /** How many answers about the state had been taken in by then. */
  readonly learnt: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

/** What becomes of a state; undefined: it stays. */
export type EndpointChange = (endpoint: EndpointState) => EndpointState | undefined;

/** What sharing the state of an endpoint needs. */
export interface SharedEndpointOptions {
  readonly subscription: string;
  readonly checkpoints: Pick<CheckpointStore, 'readEndpoint' | 'createEndpoint' | 'replaceEndpoint'>;
  readonly clock: Clock;
  /** The endpoint is in another state than it was: active, paused, broken or disabled. */
  readonly onOtherState: () => void;
  /** The state was learnt, or changing it has ended. */
  readonly onNews: () => void;
}

/** A state that was read longer ago is read again before anybody relies on it, so that a pause stops walks under way. */
const knownMsMax = 5_000;
/** How often a change of the state is tried that others have anticipated. */
const changeTriesMax = 5;

/** The state of an endpoint that all instances share, as it is known on this one. */
export class SharedEndpoint {
  readonly #options: SharedEndpointOptions;
  #stored: StoredEndpoint | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** Counts what was learnt of the state, so that an answer asked for before is known to be old. */
  #learnt = 0;
  #refreshing: Promise<void> | undefined;
  #change: Promise<unknown> | undefined;

  constructor(options: SharedEndpointOptions) {
    this.#options = options;
  }

  /** The state as it is known here. */
  get endpoint(): EndpointState {
    return this.#stored?.endpoint ?? activeEndpoint(this.#options.subscription, 0);
  }

  /** To be taken before the state is read, and handed to {@link learn} with what was read. */
  get mark(): Mark {
    return { learnt: this.#learnt, atMs: this.#options.clock.now() };
  }

  /** Whether a change is being stored. */
  get changing(): boolean {
    return this.#change !== undefined;
  }

  /** Whether the state has to be read before anybody relies on it. */
  isOld(): boolean {
    return this.#options.clock.now() - this.#askedAtMs >= knownMsMax;
  }

  /** Takes in the state as it was read after `mark` was taken, unless something newer is known. */
  learn(stored: StoredEndpoint | undefined, { learnt, atMs }: Mark): void {
    if (learnt !== this.#learnt) return;
    this.#set(stored);
    this.#askedAtMs = atMs;
    this.#options.onNews();
  }

  /**
   * Reads the state if it is old, once for all who ask meanwhile; with `anew` by a read that begins from now on.
   *
   * @throws what the store throws.
   */
  async refresh(anew = false): Promise<void> {
    if (anew) await this.#refreshing;
    else if (!this.isOld()) return;
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /** Waits for the change that is being stored, if any, however it ends. */
  async settled(): Promise<void> {
    await this.#change?.catch(() => undefined);
  }

  /**
   * Changes the state. Changes follow one another.
   *
   * @throws what the store throws; {SluiceError} `drain.endpoint-contested` when others kept changing it.
   */
  change(change: EndpointChange): Promise<void> {
    const before = this.#change ?? Promise.resolve();
    const applied = before.catch(() => undefined).then(() => this.#store(change));
    this.#change = applied;
    return applied.finally(() => {
      if (this.#change !== applied) return;
      this.#change = undefined;
      this.#options.onNews();
    });
  }

  async #read(): Promise<void> {
    const { mark } = this;
    this.learn(await this.#options.checkpoints.readEndpoint(this.#options.subscription), mark);
  }

  async #store(change: EndpointChange): Promise<void> {
    const { checkpoints, subscription } = this.#options;
    for (let tries = 0; tries < changeTriesMax; tries += 1) {
      const next = change(this.endpoint);
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
    const before = this.endpoint.state;
    this.#stored = stored;
    this.#learnt += 1;
    if (this.endpoint.state !== before) this.#options.onOtherState();
  }
}
