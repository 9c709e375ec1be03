import { checkHealth, type HealthReport } from '../shared/health.ts';
import type { Kafka } from './kafka.ts';
import type { Invocation, Surroundings } from './surroundings.ts';

const deadlineMs = 5_000;

/** Wires the check of what the bridge needs. */
export function composeHealth(
  { clock, stores }: Surroundings,
  { client }: Kafka,
): (invocation: Invocation) => Promise<HealthReport> {
  return ({ report }) =>
    checkHealth({
      checks: {
        // That this runs at all says that the configuration was read.
        config: async () => undefined,
        proxy: async (signal) => {
          await client.listBrokers({ timeoutMs: deadlineMs, signal });
        },
        storage: async () => {
          await (await stores.checkpoints()).list('');
        },
      },
      clock,
      report,
      deadlineMs,
    });
}
