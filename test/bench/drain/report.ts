import { availableParallelism } from 'node:os';
import { describeVerdicts } from '../wanted.ts';
import { type DrainCase, type DrainPlan, partitionCount } from './cases.ts';
import type { Comparison } from './compare.ts';
import { judge } from './wanted.ts';

/** What is compared and how, the table, and which wanted figures are met. */
export function describeComparison(plan: DrainPlan, rows: readonly Comparison[]): string {
  return [...describePlan(plan), '', ...table(rows), ...describeVerdicts(judge(rows))].join('\n');
}

/** One line for programs, in records/s. */
export function comparisonJson(rows: readonly Comparison[]): string {
  const runs = rows.map((row) => ({
    ordering: row.ordering,
    batch: row.batch,
    sinkMs: row.sinkMs,
    bridge: rounded(row.bridge, 1),
    ceiling: rounded(row.ceiling, 1),
    seed: rounded(row.seed, 1),
    tableWritesPer1000: rounded(row.tableWritesPer1000, 3),
  }));
  return JSON.stringify({ bench: 'drain', runs });
}

function describePlan({ rounds, records, warmUpMs, measureMs, seedMs }: DrainPlan): string[] {
  const times = `${measureMs} ms after ${warmUpMs} ms of warm-up, or until all ${records} have arrived`;
  return [
    `Drain: ${records} records of 1 KB stand in the ${partitionCount} partitions of a topic when a measurement begins.`,
    '  bridge   the drain under the local Functions host, with leases and checkpoints in Azurite',
    '  ceiling  a bare undici loop that posts the same bodies from memory, as many at once',
    "  seed     the loop of the seed's sample: consume two records, post them one after another, a connection a call",
    '  batch    records in one request at most: 1, or a CloudEvents batch',
    '  sink ms  what the endpoint takes to answer; a bare node:http server',
    '  at once  requests under way at most: 12 partitions times maxInFlight, bounded by connectionsMax',
    '  writes   requests by which the bridge changed a table while it was measured, per 1,000 records',
    'Plain HTTP on loopback, so that TLS does not drown the differences. Bridge, loops, proxy, sink and storage are',
    `processes of their own and share ${availableParallelism()} processors. Node ${process.version}.`,
    rounds === 1
      ? `One round of ${times}: enough to see that it works, not to compare.`
      : `Every figure is the median of ${rounds} interleaved rounds of ${times}; the seed's loop, of ${seedMs} ms.`,
    'Every record that was in a topic arrived at the sink, once.',
  ];
}

const columns = [
  'ordering',
  'batch',
  'sink ms',
  'at once',
  'bridge',
  'ceiling',
  'seed',
  '/ceiling',
  '/seed',
  'writes',
];
const columnWidth = 10;

function table(rows: readonly Comparison[]): string[] {
  const cells = (values: readonly string[]) =>
    values
      .map((value, index) => (index === 0 ? value.padEnd(columnWidth) : value.padStart(columnWidth)))
      .join('');
  return [
    cells(columns),
    ...rows.map((row) =>
      cells([
        row.ordering,
        String(row.batch),
        String(row.sinkMs),
        String(atOnce(row)),
        row.bridge.toFixed(0),
        row.ceiling.toFixed(0),
        row.seed.toFixed(0),
        (row.bridge / row.ceiling).toFixed(2),
        (row.bridge / row.seed).toFixed(1),
        row.tableWritesPer1000.toFixed(2),
      ]),
    ),
  ];
}

function atOnce({ maxInFlight, connectionsMax }: DrainCase): number {
  return Math.min(partitionCount * maxInFlight, connectionsMax);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
