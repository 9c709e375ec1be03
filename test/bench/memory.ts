import { freeProxy, measure, openStage } from './stage.ts';

/** What the bridge's process held while events went through it. */
export interface MemoryRun {
  /** Resident set size after each step, in bytes. */
  readonly rssBytes: readonly number[];
  readonly flat: boolean;
}

const connections = 64;
const steps = 10;
/** A step that takes longer than this is cut off, and the run fails. */
const stepMsMax = 600_000;
/** Memory is flat when the highest value of the second half is at most this many times that of the first half. */
export const rssGrowthMax = 1.1;

/** Sends `events` events through the bridge at 64 connections before `free`, and looks at its memory ten times. */
export async function watchMemory(events: number, print: (line: string) => void): Promise<MemoryRun> {
  await using stage = await openStage({ print });
  const proxy = await stage.startProxy(freeProxy);
  const bridge = await stage.startBridge(proxy.url);
  const target = { url: bridge.url, proxyUrl: proxy.url };
  const eventsMax = Math.ceil(events / steps);
  const rssBytes: number[] = [];
  for (let step = 1; step <= steps; step += 1) {
    const load = { connections, warmUpMs: 0, measureMs: stepMsMax, eventsMax };
    const { eventsPerSecond } = await measure(stage.load, target, load);
    const rss = await bridge.ask<number>('memory');
    rssBytes.push(rss);
    print(
      `${String(step * eventsMax).padStart(9)} events  RSS ${megabytes(rss)}  ${eventsPerSecond.toFixed(0)}/s`,
    );
  }
  return { rssBytes, flat: isFlat(rssBytes) };
}

/** Whether memory has stopped growing by the half of the run; see {@link rssGrowthMax}. */
export function isFlat(rssBytes: readonly number[]): boolean {
  const half = Math.floor(rssBytes.length / 2);
  return Math.max(...rssBytes.slice(half)) <= Math.max(...rssBytes.slice(0, half)) * rssGrowthMax;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`.padStart(11);
}
