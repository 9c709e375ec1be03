import { EventEmitter, once } from 'node:events';
import { patienceMs } from './test-cloud.ts';

/** The lines that hosts print, several a second, since their timers fire so often: they say when to look again. */
export function watchLines() {
  const lines = new EventEmitter();
  lines.setMaxListeners(0);
  return {
    /** For a host's option of that name. */
    print(line: string): void {
      lines.emit('line', line);
    },
    /** Resolves with the next line. */
    async next(): Promise<void> {
      await once(lines, 'line');
    },
    /** Looks now and after each line, until there is something to be seen. @throws after `limitMs` milliseconds. */
    async until<T>(
      look: () => T | undefined | false | Promise<T | undefined | false>,
      limitMs: number = patienceMs,
    ): Promise<T> {
      const signal = AbortSignal.timeout(limitMs);
      for (;;) {
        const seen = await look();
        if (seen !== undefined && seen !== false) return seen;
        await once(lines, 'line', { signal });
      }
    },
  };
}
