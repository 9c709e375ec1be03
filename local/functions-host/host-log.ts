import type { Clock } from '../../src/shared/clock.ts';
import type { LogLevel } from './core-types.ts';

/** Where the host's and the functions' lines go, by category and level. */
export interface HostLog {
  /** Prints `message` with the time before it, if the category's level lets it through. */
  write(category: string, level: LogLevel, message: string): void;
}

const severities: Readonly<Record<string, number>> = {
  trace: 0,
  debug: 1,
  information: 2,
  warning: 3,
  error: 4,
  critical: 5,
  none: 6,
};

const informationSeverity = 2;

/**
 * `levels` is `logging.logLevel` of host.json: the entry whose name is the longest beginning of a category counts,
 * else `default`, else Information. learn.microsoft.com/azure/azure-functions/configure-monitoring
 */
export function createHostLog(options: {
  readonly levels: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Takes one line, without a line end. */
  readonly print: (line: string) => void;
}): HostLog {
  const { clock, print } = options;
  const rules = Object.entries(options.levels)
    .map(([prefix, level]) => ({ prefix: prefix.toLowerCase(), severity: severityOf(level) }))
    .sort((a, b) => b.prefix.length - a.prefix.length);
  const fallback = severityOf(options.levels.default ?? 'information');
  const severityByCategory = new Map<string, number>();
  const minimumOf = (category: string): number => {
    let severity = severityByCategory.get(category);
    if (severity === undefined) {
      const name = category.toLowerCase();
      severity = rules.find(({ prefix }) => name.startsWith(prefix))?.severity ?? fallback;
      severityByCategory.set(category, severity);
    }
    return severity;
  };
  return {
    write: (category, level, message) => {
      if (severityOf(level) >= minimumOf(category))
        print(`[${new Date(clock.now()).toISOString()}] ${message}`);
    },
  };
}

/** Whether `text` names a level, in any case. */
export function isLogLevel(text: string): boolean {
  return Object.hasOwn(severities, text.toLowerCase());
}

function severityOf(level: string): number {
  return severities[level.toLowerCase()] ?? informationSeverity;
}
