import type { Entity, TablesModel } from '../outside/tables.ts';
import { plainTextOf } from '../world/machine.ts';

/** The chunks of a row: what is compressed, in pieces. */
export function chunksOf(row: Entity | undefined): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let index = 0; ; index += 1) {
    const chunk = row?.[`data${index}`];
    if (!(chunk instanceof Uint8Array)) return chunks;
    chunks.push(chunk);
  }
}

/** The text that a row holds. */
export function textOf(row: Entity | undefined): string {
  return plainTextOf(chunksOf(row));
}

/** The text that begins in a row and goes on in others, which are in another partition of its table. */
export function textOfRows(tables: TablesModel, table: string, row: Entity, partitionKey: string): string {
  const further = Array.from({ length: Number(row.parts) - 1 }, (_, index) =>
    tables.row(table, partitionKey, `${row.pieces}:${index + 1}`),
  );
  return plainTextOf([row, ...further].flatMap(chunksOf));
}

/** Whether the row of an endpoint says that nothing goes to it until somebody resumes it. */
export function isStopped(row: Entity | undefined): boolean {
  return row?.state === 'paused' || row?.state === 'disabled';
}
