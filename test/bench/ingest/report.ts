import { availableParallelism } from 'node:os';
import { describeVerdicts } from '../wanted.ts';
import { type Comparison, contestants, type IngestPlan } from './compare.ts';
import { judge } from './wanted.ts';

/** What is compared and how, the table, and which wanted figures are met. */
export function describeComparison(plan: IngestPlan, rows: readonly Comparison[]): string {
  return [...describePlan(plan), '', ...table(rows), ...describeVerdicts(judge(rows))].join('\n');
}

/** One line for programs: events/s and milliseconds. */
export function comparisonJson(rows: readonly Comparison[]): string {
  const runs = rows.map(({ proxy, connections, bridge, bare, ceiling }) => ({
    proxy,
    connections,
    bridge: rounded(bridge.eventsPerSecond, 1),
    bare: rounded(bare.eventsPerSecond, 1),
    ceiling: rounded(ceiling.eventsPerSecond, 1),
    p99Bridge: rounded(bridge.p99Ms, 3),
    p99Bare: rounded(bare.p99Ms, 3),
  }));
  return JSON.stringify({ bench: 'ingest', runs });
}

function describePlan({ rounds, warmUpMs, measureMs }: IngestPlan): string[] {
  const times = `${measureMs} ms after ${warmUpMs} ms of warm-up`;
  return [
    'Ingest: CloudEvents of 1 KB posted one by one over keep-alive connections, the next when the last is answered.',
    '  bridge   the bridge under the local Functions host; no receipts, logs from Warning on, timers off',
    '  bare     a node:http server: JSON.parse, one producer call an event through the same pool, 202',
    '  ceiling  the same Functions host with a function that answers 202 and does nothing',
    '  tight    a proxy that takes 5 ms a call and 8 calls at once; the others queue',
    '  free     a proxy that takes 5 ms a call, any number at once',
    'Plain HTTP on loopback, so that TLS does not drown the differences. Load, server and proxy are processes of',
    `their own and share ${availableParallelism()} processors. Node ${process.version}.`,
    rounds === 1
      ? `One round of ${times}: enough to see that it works, not to compare.`
      : `Every figure is the median of ${rounds} interleaved rounds of ${times}.`,
    'Every acknowledged event was counted at the proxy: each is there, once.',
  ];
}

const columnWidth = 9;

function table(rows: readonly Comparison[]): string[] {
  const cells = (values: readonly string[]) => values.map((value) => value.padStart(columnWidth)).join('');
  const group = (title: string) => title.padStart(contestants.length * columnWidth);
  return [
    `${' '.repeat(18)}${group('events/s')}${group('p50 ms')}${group('p99 ms')}`,
    `proxy  connections${cells([...contestants, ...contestants, ...contestants])}`,
    ...rows.map((row) => {
      const figures = [
        ...contestants.map((name) => row[name].eventsPerSecond.toFixed(0)),
        ...contestants.map((name) => row[name].p50Ms.toFixed(1)),
        ...contestants.map((name) => row[name].p99Ms.toFixed(1)),
      ];
      return `${row.proxy.padEnd(7)}${String(row.connections).padStart(11)}${cells(figures)}`;
    }),
  ];
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
