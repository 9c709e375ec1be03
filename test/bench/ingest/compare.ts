import { medianOf } from '../statistics.ts';
import type { LoadResult } from './load.ts';
import {
  freeProxy,
  measure,
  openStage,
  type ProxyKind,
  type Stage,
  type Target,
  tightProxy,
} from './stage.ts';

/** What is run. */
export interface IngestPlan {
  readonly connections: readonly number[];
  readonly rounds: number;
  /** Events that each contestant takes before anything counts, so that all is compiled and connected. */
  readonly firstEvents: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What is compared: the bridge, a bare server in its place, and the host's own ceiling. */
export const contestants = ['bridge', 'bare', 'ceiling'] as const;
/** One of them. */
export type Contestant = (typeof contestants)[number];

/** Medians over the rounds. */
export interface Figures {
  readonly eventsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One row: the contestants at one number of connections, before one proxy. */
export interface Comparison extends Readonly<Record<Contestant, Figures>> {
  readonly proxy: ProxyKind['name'];
  readonly connections: number;
}

const firstConnections = 64;
const firstMsMax = 60_000;

/**
 * Compares the contestants before both proxies. Rounds interleave (bridge, bare, ceiling, bridge, ...), so that
 * noise on the machine meets all alike.
 *
 * @throws {SluiceError} when an event is refused, or acknowledged and not at the proxy.
 */
export async function compareIngest(plan: IngestPlan, print: (line: string) => void): Promise<Comparison[]> {
  await using stage = await openStage({ print });
  const ceiling = { url: (await stage.startCeiling()).url };
  const rows: Comparison[] = [];
  for (const kind of [tightProxy, freeProxy]) {
    rows.push(...(await compareBefore(kind, { stage, ceiling, plan, print })));
  }
  return rows;
}

async function compareBefore(
  kind: ProxyKind,
  {
    stage,
    ceiling,
    plan,
    print,
  }: { stage: Stage; ceiling: Target; plan: IngestPlan; print: (line: string) => void },
): Promise<Comparison[]> {
  const proxy = await stage.startProxy(kind);
  const bridge = await stage.startBridge(proxy.url);
  const bare = await stage.startBare(proxy.url);
  const targets: Record<Contestant, Target> = {
    bridge: { url: bridge.url, proxyUrl: proxy.url },
    bare: { url: bare.url, proxyUrl: proxy.url },
    ceiling,
  };
  const firstLoad = {
    connections: firstConnections,
    warmUpMs: 0,
    measureMs: firstMsMax,
    eventsMax: plan.firstEvents,
  };
  for (const name of contestants) {
    await measure(stage.load, targets[name], firstLoad);
  }
  const rows: Comparison[] = [];
  for (const connections of plan.connections) {
    print(`measuring: proxy ${kind.name}, ${connections} connections`);
    rows.push(await compareAt(connections, kind, { stage, targets, plan }));
  }
  for (const part of [bridge, bare, proxy]) await part.stop();
  return rows;
}

async function compareAt(
  connections: number,
  kind: ProxyKind,
  { stage, targets, plan }: { stage: Stage; targets: Record<Contestant, Target>; plan: IngestPlan },
): Promise<Comparison> {
  const { rounds, warmUpMs, measureMs } = plan;
  const results: Record<Contestant, LoadResult[]> = { bridge: [], bare: [], ceiling: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const name of contestants) {
      const load = { connections, warmUpMs, measureMs, eventsMax: Number.MAX_SAFE_INTEGER };
      results[name].push(await measure(stage.load, targets[name], load));
    }
  }
  return {
    proxy: kind.name,
    connections,
    bridge: figuresOf(results.bridge),
    bare: figuresOf(results.bare),
    ceiling: figuresOf(results.ceiling),
  };
}

function figuresOf(results: readonly LoadResult[]): Figures {
  return {
    eventsPerSecond: medianOf(results.map((result) => result.eventsPerSecond)),
    p50Ms: medianOf(results.map((result) => result.p50Ms)),
    p99Ms: medianOf(results.map((result) => result.p99Ms)),
  };
}
