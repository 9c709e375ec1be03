import type { HealthReport } from '../shared/health.ts';
import { composeDeliveries } from './deliveries.ts';
import { composeDrain, type DrainPart } from './drain.ts';
import { composeHealth } from './health.ts';
import { composeIngest, type Ingest } from './ingest.ts';
import { composeKafka } from './kafka.ts';
import { composeOperate, type Operate } from './operate.ts';
import type { Invocation, Surroundings } from './surroundings.ts';

/** The bridge, as one instance of the app runs it: what the triggers call. */
export interface Bridge {
  readonly ingest: Ingest;
  readonly drain: DrainPart;
  readonly operate: Operate;
  /** Checks what the bridge needs. */
  readonly health: (invocation: Invocation) => Promise<HealthReport>;
}

/** Wires everything. @throws {SluiceError} when a route or a transform of the configuration cannot be prepared. */
export async function createBridge(surroundings: Surroundings): Promise<Bridge> {
  const kafka = composeKafka(surroundings);
  const deliveries = await composeDeliveries(surroundings);
  const ingest = await composeIngest(surroundings, kafka);
  const { router } = ingest;
  return {
    ingest,
    drain: composeDrain(surroundings, { kafka, deliveries }),
    operate: composeOperate(surroundings, { kafka, deliveries, router }),
    health: composeHealth(surroundings, kafka),
  };
}
