import { describeStep, isFlat, type MemoryRun } from '../flat.ts';
import type { HostFigures } from '../stage.ts';
import { freeProxy, measure, openStage } from './stage.ts';

const connections = 64;
const steps = 10;
/** A step that takes longer than this is cut off, and the run fails. */
const stepMsMax = 600_000;

/** Sends `events` events through the bridge at 64 connections before `free`, and looks at its memory ten times. */
export async function watchIngestMemory(events: number, print: (line: string) => void): Promise<MemoryRun> {
  await using stage = await openStage({ print });
  const proxy = await stage.startProxy(freeProxy);
  const bridge = await stage.startBridge(proxy.url);
  const target = { url: bridge.url, proxyUrl: proxy.url };
  const eventsMax = Math.ceil(events / steps);
  const rssBytes: number[] = [];
  for (let step = 1; step <= steps; step += 1) {
    const load = { connections, warmUpMs: 0, measureMs: stepMsMax, eventsMax };
    const { eventsPerSecond } = await measure(stage.load, target, load);
    const figures = await bridge.ask<HostFigures>('figures');
    rssBytes.push(figures.rssBytes);
    print(describeStep({ ...figures, count: step * eventsMax, what: 'events', perSecond: eventsPerSecond }));
  }
  return { rssBytes, flat: isFlat(rssBytes) };
}
