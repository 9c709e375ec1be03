import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import type { LogLevel } from './core-types.ts';
import { createHostLog } from './host-log.ts';

function printed(levels: Record<string, string>, lines: [category: string, level: LogLevel][]) {
  const out: string[] = [];
  const log = createHostLog({ levels, clock: createManualClock(0), print: (line) => out.push(line) });
  for (const [category, level] of lines) log.write(category, level, `${category} ${level}`);
  return out.map((line) => line.replace('[1970-01-01T00:00:00.000Z] ', ''));
}

test('Information and above is logged when host.json says nothing', () => {
  assert.deepEqual(
    printed({}, [
      ['Function.a', 'debug'],
      ['Function.a', 'information'],
    ]),
    ['Function.a information'],
  );
});

test('the longest beginning of a category decides', () => {
  const levels = { default: 'Error', Function: 'Warning', 'Function.a.User': 'Debug', 'Function.b': 'None' };
  assert.deepEqual(
    printed(levels, [
      ['Host.Startup', 'warning'],
      ['Function.a', 'information'],
      ['Function.a', 'warning'],
      ['Function.a.User', 'debug'],
      ['Function.b.User', 'critical'],
    ]),
    ['Function.a warning', 'Function.a.User debug'],
  );
});
