/** One HTTP call that posted something to an endpoint, as it is remembered. */
export interface Attempt {
  /** When it began (milliseconds since the epoch). */
  readonly atMs: number;
  readonly latencyMs: number;
  /** Null when no answer came. */
  readonly status: number | null;
  /** The first 1,000 characters of the answer, or why none came. */
  readonly answer: string;
}

/** What was given up, and why; whatever was accepted stays readable here. */
export interface DeadLetter {
  /** A subscription's name for what could not be delivered; else where it came from: `ingest:github`, `outbox:orders`. */
  readonly origin: string;
  /** What its sender called it, or the `webhook-id` of a record; need not be unique. */
  readonly id: string;
  /** Where it was to go, or the topic of a record; missing where that was not known. */
  readonly topic?: string;
  readonly reason: { readonly code: string; readonly message: string };
  readonly payload: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Of a record that could not be delivered: every attempt that is remembered, the oldest first. */
  readonly attempts?: readonly Attempt[];
}

/** `open`: nobody has dealt with it yet. The others are where an operator has left it. */
export type DeadLetterState = 'open' | 'redriven' | 'discarded';

/** A dead letter in a list: without payload and attempts, id and message cut to what a line shows. */
export interface DeadLetterEntry extends Omit<DeadLetter, 'payload' | 'attempts'> {
  /** Unique within the origin; the list is in its order. */
  readonly key: string;
  readonly state: DeadLetterState;
  /** How many attempts were made. */
  readonly attemptCount: number;
}

/** Where a listing goes on, and which letters it shows. */
export interface DeadLetterQuery {
  readonly max: number;
  /** Only letters in this state; all of them without it. */
  readonly state?: DeadLetterState;
  /** Only letters whose key comes after this one. */
  readonly afterKey?: string;
}

/** What came of claiming a letter. */
export type DeadLetterClaim =
  /** `claim` names this claim, and no other. */
  | { readonly outcome: 'claimed'; readonly claim: string }
  /** There is none of this key, or somebody has dealt with it. */
  | { readonly outcome: 'not-open' }
  /** Somebody else holds it, until they settle it or this passes (milliseconds since the epoch). */
  | { readonly outcome: 'busy'; readonly untilMs: number };

/** Keeps dead letters, however large. Methods throw when the store cannot be reached. */
export interface DeadLetterStore {
  /**
   * Stores a letter; when it resolves, it is durable. Without a `key` it gets one that sorts by time. With a key, a
   * letter that is there already, still open and of the same payload, is the same letter: it stays, and nothing is
   * added; any other letter of that key is kept too, and the new one is stored beside it under `<key>~2`, and so on.
   */
  add(letter: DeadLetter, key?: string): Promise<void>;
  /** The origins that have letters of any state. */
  origins(): Promise<readonly string[]>;
  /** Letters of an origin in the order of their keys. */
  list(origin: string, query: DeadLetterQuery): Promise<readonly DeadLetterEntry[]>;
  /** A letter, whole, and its state; undefined when there is none of this key. */
  get(
    origin: string,
    key: string,
  ): Promise<{ readonly letter: DeadLetter; readonly state: DeadLetterState } | undefined>;
  /**
   * Takes an open letter until `untilMs`, so that of those who want to move it on at once one does. A claim ends when
   * the letter is settled, or else when somebody else claims it after `untilMs`, by the clock of whoever that is: so
   * it should outlast the work by more than clocks disagree.
   */
  claim(
    origin: string,
    key: string,
    times: { readonly nowMs: number; readonly untilMs: number },
  ): Promise<DeadLetterClaim>;
  /**
   * Moves a letter on, with attempts that were made since, and ends the claim to it. False, and nothing is changed,
   * when the letter is not held by `claim` any more.
   */
  settle(
    origin: string,
    key: string,
    to: {
      readonly claim: string;
      readonly state: DeadLetterState;
      readonly attempts?: readonly Attempt[];
    },
  ): Promise<boolean>;
}
