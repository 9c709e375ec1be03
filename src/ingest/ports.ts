/** A record to be written: any JSON value, and optionally a key and a partition. */
export interface OutgoingRecord {
  readonly value: unknown;
  readonly key?: string;
  readonly partition?: number;
}

/**
 * What became of one record; position is given where the log tells it. A failure is `lasting` when the same
 * record will never be taken (too large, no such topic), however often it is tried; `away` when it says nothing of the
 * record, because the log could not be reached or let nobody in, so that any other would fare likewise now.
 */
export type WriteOutcome =
  | { readonly ok: true; readonly partition?: number; readonly offset?: bigint }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly lasting?: boolean;
      readonly away?: boolean;
    };

/**
 * Writes records to a topic, durably: an outcome that is ok means that the log confirmed the record. Outcomes
 * stand in the order of the records; a call that fails as a whole fails each of them. It does not throw.
 */
export type WriteRecords = (
  topic: string,
  records: readonly OutgoingRecord[],
) => Promise<readonly WriteOutcome[]>;
