import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
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

const portDefault = 7071;
// What a plan other than Consumption has: learn.microsoft.com/azure/azure-functions/functions-host-json
const functionTimeoutDefaultMs = 30 * 60_000;

const limit = z.literal(-1).or(z.int().positive()).default(-1);
const level = z
  .string()
  .refine(isLogLevel, 'must be Trace, Debug, Information, Warning, Error, Critical or None');

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
}): HostSettings {
  const { scriptRoot, env } = options;
  const hostPath = join(scriptRoot, 'host.json');
  if (!existsSync(hostPath)) throw new HostError(`${scriptRoot} is no function app: it has no host.json`);
  const host = readJsonFile(hostPath, hostFile);
  const localPath = join(scriptRoot, 'local.settings.json');
  const local = existsSync(localPath) ? readJsonFile(localPath, localFile) : undefined;
  for (const [name, value] of Object.entries(local?.Values ?? {})) env[name] ??= value;
  const { http } = host.extensions;
  return {
    routePrefix: http.routePrefix.replace(/^\/+|\/+$/g, ''),
    concurrentRequestsMax: orInfinity(http.maxConcurrentRequests),
    outstandingRequestsMax: orInfinity(http.maxOutstandingRequests),
    functionTimeoutMs: functionTimeoutOf(host.functionTimeout),
    logLevels: host.logging.logLevel,
    localHttpPort: local?.Host.LocalHttpPort,
  };
}

/** The port to listen on: the one asked for, else local.settings.json's, else Core Tools' own. */
export function choosePort(asked: number | undefined, settings: HostSettings): number {
  return asked ?? settings.localHttpPort ?? portDefault;
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
