import { randomUUID } from 'node:crypto';
import type { InvocationContext } from '@azure/functions';
import { loadConfig } from '../config/load.ts';
import type { BridgeConfig } from '../config/schema.ts';
import { formatLogLine, type Log } from '../shared/log.ts';
import { openTelemetry, type TraceHeaders } from '../shared/telemetry.ts';

export { systemClock as clock, systemRandom as random } from '../shared/clock.ts';

/** The configuration; reading it is the first thing that happens, so a wrong one registers no function. */
export const config: BridgeConfig = loadConfig();

/** Names this instance of the app, where several write to one table. */
export const instance = randomUUID();

/** Spans and metrics, for whatever SDK the app sets up. */
export const telemetry = openTelemetry('sluice');

/** The log of what many invocations share, such as a call that carries records of several. */
export const report: Log = {
  info: (event, fields) => console.info(formatLogLine(event, fields)),
  warn: (event, fields) => console.warn(formatLogLine(event, fields)),
  error: (event, fields) => console.error(formatLogLine(event, fields)),
};

/** The log of one invocation. */
export function logOf(context: InvocationContext): Log {
  return {
    info: (event, fields) => context.info(formatLogLine(event, fields)),
    warn: (event, fields) => context.warn(formatLogLine(event, fields)),
    error: (event, fields) => context.error(formatLogLine(event, fields)),
  };
}

/** A name for what an invocation leases; no two runs share one. */
export function ownerOf(context: InvocationContext): string {
  return `${context.invocationId}/${randomUUID()}`;
}

/** Where the platform's own span for the invocation stands. */
export function callerOf({ traceContext }: InvocationContext): TraceHeaders {
  return { traceparent: traceContext?.traceParent, tracestate: traceContext?.traceState };
}

/**
 * Opens what `open` opens when it is first asked for, so that an instance pays only for what it does. What could not
 * be opened is tried again by whoever asks next.
 */
export function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}
