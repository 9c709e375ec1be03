import type { Delivery, DeliverySettings, OpenDelivery } from '../delivery/deliver.ts';
import type { EndpointLimits } from '../drain/gate.ts';
import type { CheckpointStore, RecordLog } from '../drain/ports.ts';
import type { DeadLetter, DeadLetterStore } from '../events/dead-letter.ts';
import type { OutboxStore } from '../ingest/outbox-ports.ts';
import type { Clock } from '../shared/clock.ts';
import type { Log } from '../shared/log.ts';

/**
 * The operator's side of the bridge: what an on-call engineer sees and does while the way in and the way out go on
 * by themselves. It reads their state and changes it as they do, by conditional writes, so it is safe at any moment.
 * Operations are stateless and bounded in time: what takes longer answers where to continue, and the caller asks
 * again.
 */
export interface OperateOptions {
  readonly subscriptions: ReadonlyMap<string, OperatedSubscription>;
  readonly log: RecordLog;
  readonly checkpoints: CheckpointStore;
  readonly deadLetters: DeadLetterStore;
  readonly outbox: Pick<OutboxStore, 'topics' | 'list'>;
  readonly produceAgain: ProduceAgain;
  /** Opens a way of its own to an endpoint. */
  readonly openDelivery: (settings: DeliverySettings) => Promise<OpenDelivery>;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly report: Log;
  /** Names a test event; never twice the same. */
  readonly newId: () => string;
}

/** A subscription as an operator handles it. */
export interface OperatedSubscription {
  readonly topics: readonly string[];
  readonly settings: DeliverySettings;
  /** What attempts to its endpoint keep to. */
  readonly limits: EndpointLimits;
  /** Its way to its own endpoint, which others use too. */
  readonly delivery: Delivery;
}

/** Produces a letter of the way in once more. It does not throw. */
export type ProduceAgain = (
  letter: DeadLetter,
) => Promise<{ readonly ok: true } | { readonly ok: false; readonly error: string }>;

/** How fast partitions move, by comparing looks. */
export interface Pace {
  /**
   * Offsets finished a minute since an earlier look of this instance; null when there was none, or the position was
   * moved back since.
   */
  perMinute(place: string, finished: bigint, nowMs: number): number | null;
}
