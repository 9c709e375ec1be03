import type { Clock } from '../shared/clock.ts';
import { describeError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import type { Fate } from './keep.ts';

/** Fates that are final: what a repetition is answered like. */
export type FinalFate = Exclude<Fate, { kind: 'failed' }>;

/** The receipts, as far as the way in needs them. Both methods throw when storage cannot be reached. */
export interface Receipts {
  /** The fate of an event that was kept before and whose receipt has not expired. */
  find(source: string, id: string): Promise<FinalFate | undefined>;
  /** Notes the fate of an event; the first to do so wins. */
  save(source: string, id: string, fate: FinalFate, expiresAtMs: number): Promise<void>;
}

/** Keeps an event, unless it was kept before. */
export type Once = (
  event: { readonly source: string; readonly id: string; readonly windowMs: number },
  keep: () => Promise<Fate>,
) => Promise<Fate>;

/** What recognising repetitions needs. */
export interface OnceOptions {
  readonly receipts: Receipts;
  readonly clock: Clock;
  readonly report: Log;
  readonly telemetry: Telemetry;
}

/**
 * Recognises what is sent again. The receipt is written *after* the event was kept, so a crash in between produces
 * twice and never loses: an event that is only being kept has no receipt. Two at once on one instance share one
 * attempt; on two instances both may produce. When receipts cannot be read or written the event is kept all the
 * same, since losing one is worse than having it twice.
 */
export function createOnce({ receipts, clock, report, telemetry }: OnceOptions): Once {
  const underway = new Map<string, Promise<Fate>>();

  async function attempt(
    source: string,
    id: string,
    windowMs: number,
    keep: () => Promise<Fate>,
  ): Promise<Fate> {
    const known = await tolerate('ingest.receipt-unread', () => receipts.find(source, id));
    if (known !== undefined) {
      telemetry.count('sluice.repeated', 1, { source });
      return known;
    }
    const fate = await keep();
    if (fate.kind !== 'failed') {
      await tolerate('ingest.receipt-unwritten', () =>
        receipts.save(source, id, fate, clock.now() + windowMs),
      );
    }
    return fate;
  }

  async function tolerate<T>(event: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      report.warn(event, { error: describeError(error) });
      return undefined;
    }
  }

  return ({ source, id, windowMs }, keep) => {
    const name = JSON.stringify([source, id]);
    let pending = underway.get(name);
    if (pending === undefined) {
      pending = attempt(source, id, windowMs, keep).finally(() => underway.delete(name));
      underway.set(name, pending);
    }
    return pending;
  };
}
