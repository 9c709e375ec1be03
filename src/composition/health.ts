import type { InvocationContext } from '@azure/functions';
import { checkHealth, type HealthReport } from '../shared/health.ts';
import { clock, logOf } from './instance.ts';
import { kafka } from './kafka.ts';
import { checkpoints } from './tables.ts';

const deadlineMs = 5_000;

/** Checks what the bridge needs. */
export function health(context: InvocationContext): Promise<HealthReport> {
  return checkHealth({
    checks: {
      // That this runs at all says that the configuration was read.
      config: async () => undefined,
      proxy: async () => {
        await kafka.listBrokers({
          timeoutMs: deadlineMs,
          signal: AbortSignal.timeout(deadlineMs),
        });
      },
      storage: async () => {
        await (await checkpoints()).list('');
      },
    },
    clock,
    report: logOf(context),
    deadlineMs,
  });
}
