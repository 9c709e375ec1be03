import { randomUUID } from 'node:crypto';
import type { InvocationContext } from '@azure/functions';
import { loadConfig } from '../config/load.ts';
import type { BridgeConfig } from '../config/schema.ts';
import { acquireWith } from '../kafka-rest/credentials.ts';
import { systemClock, systemRandom } from '../shared/clock.ts';
import { createHttpPool } from '../shared/http.ts';
import { formatLogLine, type Log } from '../shared/log.ts';
import { openTelemetry } from '../shared/telemetry.ts';
import { type Bridge, createBridge } from './bridge.ts';
import type { Invocation } from './surroundings.ts';
import { openTables } from './tables.ts';

/** The configuration; reading it is the first thing that happens, so a wrong one registers no function. */
export const config: BridgeConfig = loadConfig();

/** The bridge on this machine, with its clock, its chance, its network and the tables of the configuration. */
export const bridge: Bridge = await createBridge({
  config,
  clock: systemClock,
  random: systemRandom,
  newId: randomUUID,
  openPool: createHttpPool,
  acquireWith,
  stores: openTables(config.storage, randomUUID()),
  telemetry: openTelemetry('sluice'),
  report: logTo(console),
});

/** The queue through which the timer hands partitions to the instances. */
export const partitionQueue = {
  queueName: `${config.storage.tablePrefix.toLowerCase()}-drain`,
  connection: 'AzureWebJobsStorage',
};

/** One call of a function, as the bridge sees it. */
export function invocationOf(context: InvocationContext): Invocation {
  const { invocationId, traceContext } = context;
  return {
    id: invocationId,
    report: logTo(context),
    caller: { traceparent: traceContext?.traceParent, tracestate: traceContext?.traceState },
  };
}

function logTo(lines: Pick<InvocationContext, 'info' | 'warn' | 'error'>): Log {
  return {
    info: (event, fields) => lines.info(formatLogLine(event, fields)),
    warn: (event, fields) => lines.warn(formatLogLine(event, fields)),
    error: (event, fields) => lines.error(formatLogLine(event, fields)),
  };
}
