import { type Bound, judgeFigure, type Verdict } from '../wanted.ts';
import type { Comparison } from './compare.ts';

interface Wanted {
  readonly proxy: Comparison['proxy'];
  readonly connections: number;
  readonly what: string;
  readonly ratio: (row: Comparison) => number;
  readonly bound: Bound;
}

const overBare = {
  what: 'bridge / bare, events/s',
  ratio: ({ bridge, bare }: Comparison) => bridge.eventsPerSecond / bare.eventsPerSecond,
};
const overCeiling = {
  what: 'bridge / ceiling, events/s',
  ratio: ({ bridge, ceiling }: Comparison) => bridge.eventsPerSecond / ceiling.eventsPerSecond,
};
const p99OverBare = {
  what: 'bridge / bare, p99',
  ratio: ({ bridge, bare }: Comparison) => bridge.p99Ms / bare.p99Ms,
};
const p50OverBare = {
  what: 'bridge / bare, p50',
  ratio: ({ bridge, bare }: Comparison) => bridge.p50Ms / bare.p50Ms,
};

/** An idle line must not wait for company: at one connection the bridge is nearly as quick as the bare server. */
const wanted: readonly Wanted[] = [
  { proxy: 'tight', connections: 1, ...p50OverBare, bound: { atMost: 1.2 } },
  { proxy: 'tight', connections: 64, ...overBare, bound: { atLeast: 4 } },
  { proxy: 'tight', connections: 64, ...p99OverBare, bound: { atMost: 0.6 } },
  { proxy: 'tight', connections: 256, ...overBare, bound: { atLeast: 6 } },
  { proxy: 'tight', connections: 256, ...p99OverBare, bound: { atMost: 0.6 } },
  { proxy: 'free', connections: 1, ...p50OverBare, bound: { atMost: 1.2 } },
  { proxy: 'free', connections: 64, ...overCeiling, bound: { atLeast: 0.6 } },
  { proxy: 'free', connections: 256, ...overCeiling, bound: { atLeast: 0.8 } },
];

/** Judges every row of which something is wanted. */
export function judge(rows: readonly Comparison[]): Verdict[] {
  return wanted.flatMap(({ proxy, connections, what, ratio, bound }) => {
    const row = rows.find((candidate) => candidate.proxy === proxy && candidate.connections === connections);
    if (row === undefined) return [];
    const subject = `${proxy}, ${connections} ${connections === 1 ? 'connection' : 'connections'}: ${what}`;
    return [judgeFigure({ subject, value: ratio(row), bound, unit: 'x' })];
  });
}
