import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { startTestHost } from './test-host.ts';

const clock = createManualClock(Date.parse('2026-01-01T12:00:00Z'));
const { host, lines, nextLine, close } = await startTestHost({ clock });
after(close);

test('a function that exceeds functionTimeout fails, and its caller is answered 500', async () => {
  const started = nextLine(/Executing 'Functions.hold'/);
  const answer = fetch(`${host.url}/api/hold`);
  await started;
  await clock.advance(9_000);
  assert.doesNotMatch(lines.join('\n'), /Executed 'Functions.hold'/);
  await clock.advance(2_000);
  assert.equal((await answer).status, 500);
  assert.match(
    lines.join('\n'),
    /Executed 'Functions.hold' \(Failed[\s\S]*Timeout value of 10 s was exceeded/,
  );
});

test('a timer of the app fires by the clock', async () => {
  await clock.advance(5 * 60_000);
  assert.match(
    lines.join('\n'),
    /\[2026-01-01T12:05:00.000Z\] Executing 'Functions.tick' \(Reason='Timer fired at 2026-01-01T12:05:00.000\+00:00'/,
  );
});
