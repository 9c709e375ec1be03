import type { TransactionAction } from '@azure/data-tables';

// Limits of a transaction: 100 entities, each once, and 4 MiB (learn.microsoft.com, "Performing entity group
// transactions"). The fence is the hundredth.
const changesMax = 99;
const bytesMax = 4_000_000;

/** For the request line and the headers of one change. */
const changeBytes = 1_000;

/** Groups changes of one partition, in their order, into transactions which leave room for a fence; one at least. */
export async function* transactionsOf(
  actions: AsyncIterable<TransactionAction>,
): AsyncGenerator<readonly TransactionAction[]> {
  let group = new Map<string, TransactionAction>();
  let groupBytes = 0;
  for await (const action of actions) {
    const { rowKey = '' } = action[1];
    const bytes = bytesOf(action[1]);
    if (group.size === changesMax || groupBytes + bytes > bytesMax || group.has(rowKey)) {
      yield [...group.values()];
      group = new Map();
      groupBytes = 0;
    }
    group.set(rowKey, action);
    groupBytes += bytes;
  }
  yield [...group.values()];
}

/** What an entity adds to a request: binary properties go as base64. */
function bytesOf(entity: object): number {
  return Object.values(entity).reduce(
    (sum, value) =>
      sum +
      (value instanceof Uint8Array
        ? Math.ceil(value.length / 3) * 4
        : Buffer.byteLength(JSON.stringify(value))),
    changeBytes,
  );
}
