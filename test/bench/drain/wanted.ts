import { judgeFigure, type Verdict } from '../wanted.ts';
import type { DrainCase } from './cases.ts';
import type { Comparison } from './compare.ts';

/** What the bridge is to reach of a bare loop that posts the same. */
const ofCeilingMin = 0.8;
/** How many times the seed's loop it is to reach, by what the endpoint takes to answer. */
const ofSeedMin: Readonly<Record<DrainCase['sinkMs'], number>> = { 0: 5, 50: 100 };
const tableWritesPer1000Max = 2;

/** Judges every row of which something is wanted: all but strict order with one record at a time. */
export function judge(rows: readonly Comparison[]): Verdict[] {
  return rows
    .filter(({ ordering, batch }) => ordering !== 'partition' || batch > 1)
    .flatMap((row) => {
      const { bridge, ceiling, seed, sinkMs } = row;
      const subject = subjectOf(row);
      return [
        judgeFigure({
          subject: `${subject}: bridge / ceiling`,
          value: bridge / ceiling,
          bound: { atLeast: ofCeilingMin },
          unit: 'x',
        }),
        judgeFigure({
          subject: `${subject}: bridge / seed`,
          value: bridge / seed,
          bound: { atLeast: ofSeedMin[sinkMs] },
          unit: 'x',
        }),
        judgeFigure({
          subject: `${subject}: table writes per 1,000 records`,
          value: row.tableWritesPer1000,
          bound: { atMost: tableWritesPer1000Max },
          unit: '',
        }),
      ];
    });
}

function subjectOf({ ordering, batch, sinkMs }: DrainCase): string {
  return `${ordering}, ${batch === 1 ? 'single' : `batches of ${batch}`}, ${sinkMs} ms`;
}
