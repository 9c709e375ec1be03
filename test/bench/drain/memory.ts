import { describeStep, isFlat, type MemoryRun } from '../flat.ts';
import { casesOf, nameOf, urlOf } from './cases.ts';
import { drainUntil, settle } from './measure.ts';
import { openStage } from './stage.ts';

const steps = 10;
/** A step ends after this even when fewer records than its tenth came, so that no run takes longer than 10 minutes. */
const stepMsMax = 60_000;

/**
 * Drains a backlog of records of mixed sizes, up to 1 MB, ordered by key and one at a time to an endpoint that
 * answers at once, and looks at the bridge's memory ten times.
 *
 * @throws {SluiceError} when a record did not arrive, or arrived twice.
 */
export async function watchDrainMemory(records: number, print: (line: string) => void): Promise<MemoryRun> {
  const cases = casesOf(['key']).filter(({ batch, sinkMs }) => batch === 1 && sinkMs === 0);
  const [one] = cases;
  if (one === undefined) throw new RangeError('there is one such case');
  const topic = nameOf(one);
  const path = urlOf('', one, topic);
  await using stage = await openStage({ cases, sizes: 'mixed', print });
  await stage.append(topic, records);
  await stage.begin({ path, warmUpMs: 0, measureMs: stepMsMax * steps, records });
  await stage.drain();

  const rssBytes: number[] = [];
  let [drained, atMs] = [0, performance.now()];
  for (let step = 1; step <= steps; step += 1) {
    const wanted = (records / steps) * step;
    const endMs = atMs + stepMsMax;
    const { distinct } = await drainUntil(
      stage,
      path,
      ({ distinct: { events } }) => events >= wanted || performance.now() >= endMs,
    );
    const figures = await stage.figures();
    rssBytes.push(figures.rssBytes);
    const nowMs = performance.now();
    const perSecond = ((distinct.events - drained) / (nowMs - atMs)) * 1_000;
    print(describeStep({ ...figures, count: distinct.events, what: 'records', perSecond }));
    [drained, atMs] = [distinct.events, nowMs];
  }
  await settle(stage, one);
  return { rssBytes, flat: isFlat(rssBytes) };
}
