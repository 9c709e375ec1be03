import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { describeError, SluiceError } from '../shared/error.ts';
import { schemaWords } from '../shared/schema-words.ts';
import type { Settings } from './fields.ts';
import { type BridgeConfig, bridgeConfigSchema } from './schema.ts';
import { subscriptionContradictions } from './subscriptions.ts';

/** The configuration cannot be used. The message lists everything that is wrong, a line each. */
export class ConfigError extends SluiceError {
  constructor(file: string, problems: readonly string[]) {
    super({
      code: 'config.invalid',
      message: `${file} cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
      retryable: false,
    });
  }
}

/** The setting that names another file than `bridge.config.json`. */
const fileSetting = 'BRIDGE_CONFIG';
const defaultFile = 'bridge.config.json';

/**
 * Reads the configuration beside host.json, with references filled from the process's environment.
 *
 * @throws {ConfigError} naming everything that is wrong at once.
 */
export function loadConfig(): BridgeConfig {
  const file = process.env[fileSetting] ?? defaultFile;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(file, [
      `${describeError(error)}; write one, or name another in the setting ${fileSetting}`,
    ]);
  }
  return parseConfig({ file, text, settings: process.env });
}

/**
 * Reads the text of a configuration.
 *
 * @throws {ConfigError} naming everything that is wrong at once, each with its path in the file.
 */
export function parseConfig(input: { file: string; text: string; settings: Settings }): BridgeConfig {
  return createConfigParser(input.settings)(input.file, input.text);
}

/** Makes what {@link parseConfig} does once, for whoever reads many: the schema is costly to make. */
export function createConfigParser(settings: Settings): (file: string, text: string) => BridgeConfig {
  const schema = bridgeConfigSchema(settings);
  return (file, text) => {
    let json: unknown;
    try {
      json = JSON.parse(text, refuseProto);
    } catch (error) {
      throw new ConfigError(file, [`not JSON: ${describeError(error)}`]);
    }
    const parsed = schema.safeParse(json, { error: schemaWords });
    if (!parsed.success)
      throw new ConfigError(
        file,
        parsed.error.issues.flatMap((issue) => describeIssue(issue)),
      );
    const problems = contradictions(parsed.data);
    if (settings.WEBSITE_TIME_ZONE && Object.keys(parsed.data.schedules).length > 0) {
      problems.push(
        'schedules: the setting WEBSITE_TIME_ZONE must not be set, since timers are registered in UTC; give each schedule its timeZone',
      );
    }
    if (problems.length > 0) throw new ConfigError(file, problems);
    return parsed.data;
  };
}

/** No schema sees such an entry: what it configures would be missing without a word. */
function refuseProto(name: string, value: unknown): unknown {
  if (name === '__proto__') throw new SyntaxError('nothing can have the name "__proto__"');
  return value;
}

/** The JSON Schema of `bridge.config.json`, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(bridgeConfigSchema({}), { io: 'input', target: 'draft-7' });
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.length === 0 ? '(file)' : issue.path.join('.');
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => `${path}: ${inner.message}`);
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [`${path}: ${issue.message}`];
  // The branch with the fewest complaints is most likely the one that was meant.
  const nearest = issue.errors.reduce((best, branch) => (branch.length < best.length ? branch : best));
  return nearest.flatMap((inner) => describeIssue({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** What no single field can see. */
function contradictions(config: BridgeConfig): string[] {
  const problems: string[] = [];
  config.routes.forEach((route, index) => {
    if (route.source !== undefined && !Object.hasOwn(config.sources, route.source)) {
      problems.push(`routes.${index}.source: there is no source "${route.source}"; declare it under sources`);
    }
  });
  if (config.ingest.outbox.leaseMs <= config.proxy.timeoutMs * 4) {
    problems.push(
      `ingest.outbox.leaseMs: must be more than four times proxy.timeoutMs (${config.proxy.timeoutMs}), or a lease could lapse during a produce`,
    );
  }
  if (config.ingest.outbox.budgetMs <= config.proxy.timeoutMs * 4) {
    problems.push(
      `ingest.outbox.budgetMs: must be more than four times proxy.timeoutMs (${config.proxy.timeoutMs}), or no produce would fit in a run`,
    );
  }
  for (const [name, subscription] of Object.entries(config.subscriptions)) {
    const found = subscriptionContradictions(subscription, config.drain);
    problems.push(...found.map(({ path, message }) => `subscriptions.${name}.${path}: ${message}`));
  }
  return problems;
}
