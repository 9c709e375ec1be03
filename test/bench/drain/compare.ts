import { medianOf } from '../statistics.ts';
import { type DrainCase, type DrainPlan, urlOf } from './cases.ts';
import { type Measured, measureBridge, measureCeiling } from './measure.ts';
import { type DrainStage, openStage, seedTopic } from './stage.ts';

/** One row: a case, in records a second (medians over the rounds). */
export interface Comparison extends DrainCase {
  readonly bridge: number;
  /** The same bodies posted from memory. */
  readonly ceiling: number;
  /** The loop of the seed's sample, before the same endpoint. */
  readonly seed: number;
  /** Requests by which the bridge changed a table, per thousand records, over all rounds. */
  readonly tableWritesPer1000: number;
}

interface Round {
  readonly bridge: Measured & { readonly tableWrites: number };
  readonly ceiling: Measured;
}

/**
 * Compares the bridge with the bare loop and with the seed's. Rounds interleave (each case's bridge and ceiling,
 * then the seed's loop, then all again), so that noise on the machine meets all alike; one round before that only
 * warms up.
 *
 * @throws {SluiceError} when a record did not arrive, or arrived twice.
 */
export async function compareDrain(plan: DrainPlan, print: (line: string) => void): Promise<Comparison[]> {
  const { cases } = plan;
  await using stage = await openStage({ cases, sizes: 'kilobyte', print });
  await stage.append(seedTopic, plan.records);
  const sinkTimes = [...new Set(cases.map(({ sinkMs }) => sinkMs))];
  const rounds = new Map<DrainCase, Round[]>(cases.map((one) => [one, []]));
  const seeds = new Map<DrainCase['sinkMs'], number[]>(sinkTimes.map((sinkMs) => [sinkMs, []]));

  await runCases(stage, { ...plan, warmUpMs: 0, measureMs: plan.firstMs }, () => undefined);
  for (let round = 1; round <= plan.rounds; round += 1) {
    print(`measuring: round ${round} of ${plan.rounds}`);
    await runCases(stage, plan, (one, result) => rounds.get(one)?.push(result));
    for (const [sinkMs, results] of seeds) results.push(await runSeed(stage, { sinkMs, ms: plan.seedMs }));
  }
  return [...rounds].map(([one, results]) => {
    const writes = sum(results.map(({ bridge }) => bridge.tableWrites));
    const records = sum(results.map(({ bridge }) => bridge.records));
    return {
      ...one,
      bridge: medianOf(results.map(({ bridge }) => perSecond(bridge))),
      ceiling: medianOf(results.map(({ ceiling }) => perSecond(ceiling))),
      seed: medianOf(seeds.get(one.sinkMs) ?? []),
      tableWritesPer1000: (writes / records) * 1_000,
    };
  });
}

async function runCases(
  stage: DrainStage,
  plan: DrainPlan,
  onResult: (one: DrainCase, result: Round) => void,
): Promise<void> {
  for (const one of plan.cases) {
    const bridge = await measureBridge(stage, one, plan);
    onResult(one, { bridge, ceiling: await measureCeiling(stage, one, plan) });
  }
}

async function runSeed(
  stage: DrainStage,
  { sinkMs, ms }: Pick<DrainCase, 'sinkMs'> & { ms: number },
): Promise<number> {
  const path = urlOf('', { sinkMs }, seedTopic);
  await stage.begin({ path, warmUpMs: 0, measureMs: ms, records: Number.MAX_SAFE_INTEGER });
  const { proxyUrl, sinkUrl } = stage;
  return perSecond(await stage.seed({ proxyUrl, topic: seedTopic, url: `${sinkUrl}${path}`, ms }));
}

function perSecond({ records, ms }: Measured): number {
  return (records / ms) * 1_000;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
