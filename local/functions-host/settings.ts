import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { describeError } from '../../src/shared/error.ts';
import { HostError } from './host-error.ts';
import { isLogLevel } from './host-log.ts';
import { readJsonFile } from './json-file.ts';
import { parseTimeSpan } from './time-span.ts';

/** What host.json and local.settings.json say. */
export interface HostSettings {
  /** Without slashes around it; may be empty. */
  readonly routePrefix: string;
  /** HTTP functions that run at a time; Infinity when not limited. */
  readonly concurrentRequestsMax: number;
  /** HTTP requests running or waiting to run; Infinity when not limited. */
  readonly outstandingRequestsMax: number;
  /** Infinity when not limited. */
  readonly functionTimeoutMs: number;
  /** The lowest level that is logged, by category or the beginning of one; `default` for all others. */
  readonly logLevels: Readonly<Record<string, string>>;
  /** The `Host.LocalHttpPort` of local.settings.json. */
  readonly localHttpPort: number | undefined;
}

/** What `extensions.queues` of host.json says. */
export interface QueueSettings {
  /** Messages asked for at a time, at most 32. */
  readonly batchSize: number;
  /** More are asked for only while no more than this many are being worked on. */
  readonly newBatchThreshold: number;
  /** The longest pause between two looks at an empty queue. */
  readonly maxPollingIntervalMs: number;
  /** How long a message that failed stays invisible before its next try. */
  readonly visibilityTimeoutMs: number;
  /** How often a message is tried before it goes to the poison queue. */
  readonly maxDequeueCount: number;
  readonly messageEncoding: 'base64' | 'none';
}

const portDefault = 7071;
// What a plan other than Consumption has: learn.microsoft.com/azure/azure-functions/functions-host-json
const functionTimeoutDefaultMs = 30 * 60_000;

const limit = z.literal(-1).or(z.int().positive()).default(-1);
const level = z
  .string()
  .refine(isLogLevel, 'must be Trace, Debug, Information, Warning, Error, Critical or None');

const timeSpan = z.string().transform((text, context) => {
  try {
    return parseTimeSpan(text);
  } catch (error) {
    context.addIssue(describeError(error));
    return z.NEVER;
  }
});

/**
 * learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#hostjson-settings. The default of
 * `newBatchThreshold` is the one of a single processor, as on the Consumption plan.
 */
const queuesSection = z
  .looseObject({
    batchSize: z.int().min(1).max(32).default(16),
    newBatchThreshold: z.int().min(0).optional(),
    maxPollingInterval: timeSpan.refine((ms) => ms > 0, 'must be longer than zero').prefault('00:01:00'),
    visibilityTimeout: timeSpan.prefault('00:00:00'),
    maxDequeueCount: z.int().min(1).default(5),
    messageEncoding: z
      .string()
      .toLowerCase()
      .pipe(z.enum(['base64', 'none']))
      .prefault('base64'),
  })
  .transform(
    (queues): QueueSettings => ({
      batchSize: queues.batchSize,
      newBatchThreshold: queues.newBatchThreshold ?? Math.floor(queues.batchSize / 2),
      maxPollingIntervalMs: queues.maxPollingInterval,
      visibilityTimeoutMs: queues.visibilityTimeout,
      maxDequeueCount: queues.maxDequeueCount,
      messageEncoding: queues.messageEncoding,
    }),
  );

const hostFile = z.looseObject({
  version: z.literal('2.0', 'must be "2.0"'),
  functionTimeout: z.string().optional(),
  logging: z.looseObject({ logLevel: z.record(z.string(), level).default({}) }).prefault({}),
  extensions: z
    .looseObject({
      http: z
        .looseObject({
          routePrefix: z.string().default('api'),
          maxConcurrentRequests: limit,
          maxOutstandingRequests: limit,
        })
        .prefault({}),
      queues: queuesSection.prefault({}),
    })
    .prefault({}),
});

const localFile = z.looseObject({
  IsEncrypted: z.literal(false, 'must be false: decrypt the file with "func settings decrypt"').optional(),
  Values: z.record(z.string(), z.string('must be a string')).default({}),
  Host: z.looseObject({ LocalHttpPort: z.int().min(0).max(65_535).optional() }).prefault({}),
});

/**
 * Reads host.json and, where it exists, local.settings.json of an app, and puts the latter's `Values` into `env`
 * as far as they are not set there, as Core Tools does.
 *
 * @throws {HostError} when a file is missing or wrong.
 */
export function readSettings(options: {
  readonly scriptRoot: string;
  readonly env: NodeJS.ProcessEnv;
}): HostSettings & { readonly queues: QueueSettings } {
  const { scriptRoot, env } = options;
  const hostPath = join(scriptRoot, 'host.json');
  if (!existsSync(hostPath)) throw new HostError(`${scriptRoot} is no function app: it has no host.json`);
  const host = readJsonFile(hostPath, hostFile);
  const localPath = join(scriptRoot, 'local.settings.json');
  const local = existsSync(localPath) ? readJsonFile(localPath, localFile) : undefined;
  for (const [name, value] of Object.entries(local?.Values ?? {})) env[name] ??= value;
  const { http, queues } = host.extensions;
  return {
    routePrefix: http.routePrefix.replace(/^\/+|\/+$/g, ''),
    concurrentRequestsMax: orInfinity(http.maxConcurrentRequests),
    outstandingRequestsMax: orInfinity(http.maxOutstandingRequests),
    functionTimeoutMs: functionTimeoutOf(host.functionTimeout),
    logLevels: host.logging.logLevel,
    localHttpPort: local?.Host.LocalHttpPort,
    queues,
  };
}

/** The port to listen on: the one asked for, else local.settings.json's, else Core Tools' own. */
export function choosePort(asked: number | undefined, settings: HostSettings): number {
  return asked ?? settings.localHttpPort ?? portDefault;
}

/**
 * `text` with the app setting NAME in the place of each `%NAME%`.
 *
 * @throws {HostError} when there is no such setting.
 */
export function resolveAppSettings(text: string, env: NodeJS.ProcessEnv): string {
  return text.replace(/%([^%]+)%/g, (_whole, name: string) => {
    const value = env[name];
    if (value === undefined)
      throw new HostError(`'%${name}%' does not resolve to a value: set the app setting ${name}`);
    return value;
  });
}

function orInfinity(value: number): number {
  return value === -1 ? Number.POSITIVE_INFINITY : value;
}

function functionTimeoutOf(text: string | undefined): number {
  if (text === undefined) return functionTimeoutDefaultMs;
  if (text === '-1') return Number.POSITIVE_INFINITY;
  const timeoutMs = parseTimeSpan(text);
  if (timeoutMs === 0)
    throw new HostError('functionTimeout of host.json must be longer than zero, or "-1" for none');
  return timeoutMs;
}
