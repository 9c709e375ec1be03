import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptOutcome, type Verdict, verdictOf } from './verdict.ts';

const nowMs = 1_000_000;
const answered = (status: number, retryAfter?: string): AttemptOutcome => ({
  kind: 'answered',
  status,
  retryAfter,
});
const unanswered: AttemptOutcome = { kind: 'unanswered', reason: 'no answer within 1000 ms' };

function verdict(
  outcome: AttemptOutcome,
  changes: { failures?: number; records?: number; chance?: number } = {},
) {
  const { failures = 0, records = 1, chance = 1 } = changes;
  const retry = { delaysMs: [1_000, 8_000, 20_000], refusedAttemptsMax: 2 };
  return verdictOf(outcome, { failures, records, retry, nowMs, random: () => chance });
}

const row = (outcome: AttemptOutcome) => {
  const { kind, ...rest } = verdict(outcome);
  return 'endpoint' in rest ? `${kind}, ${rest.endpoint}` : kind;
};

for (const [statuses, expected] of [
  [[200, 201, 202, 204, 299], 'done'],
  [[300, 301, 302, 303, 304, 307, 308, 399], 'retry, failing'],
  [[401, 402, 403, 404, 405, 407], 'retry, failing'],
  [[408, 425, 429], 'retry, failing'],
  [[410], 'disable'],
  [[400, 406, 409, 413, 415, 422, 431, 451, 499], 'retry, refusing'],
  [[500, 501, 502, 503, 504, 599], 'retry, failing'],
  [[0, 100, 199, 600, 999], 'retry, failing'],
] as const) {
  test(`${statuses.join(', ')}: ${expected}`, () => {
    for (const status of statuses) assert.equal(row(answered(status)), expected, String(status));
  });
}

test('no answer is tried again like a fault of the endpoint', () => {
  assert.deepEqual(verdict(unanswered), {
    kind: 'retry',
    atMs: nowMs + 1_000,
    error: 'no answer within 1000 ms',
    endpoint: 'failing',
  } satisfies Verdict);
});

test('a refused record is given up after the attempts configured', () => {
  assert.equal(verdict(answered(422), { failures: 0 }).kind, 'retry');
  assert.deepEqual(verdict(answered(422), { failures: 1 }), {
    kind: 'dead-letter',
    reason: { code: 'delivery.refused', message: 'answered 422' },
    endpoint: 'refusing',
  } satisfies Verdict);
});

test('what is refused for its credentials or its URL is given up like the others, but the endpoint fails', () => {
  for (const status of [401, 403, 404]) {
    const error = `answered ${status}`;
    assert.deepEqual(verdict(answered(status), { failures: 1 }), {
      kind: 'dead-letter',
      reason: { code: 'delivery.refused', message: error },
      endpoint: 'failing',
    } satisfies Verdict);
    const split: Verdict = { kind: 'split', error, endpoint: 'failing' };
    assert.deepEqual(verdict(answered(status), { records: 2 }), split);
  }
});

test('a record that fails is given up once the schedule is exhausted', () => {
  const waits = [0, 1, 2].map((failures) => {
    const { kind, ...rest } = verdict(answered(500), { failures });
    return kind === 'retry' && 'atMs' in rest ? rest.atMs - nowMs : kind;
  });
  assert.deepEqual(waits, [1_000, 8_000, 20_000]);
  assert.deepEqual(verdict(answered(500), { failures: 3 }), {
    kind: 'dead-letter',
    reason: { code: 'delivery.exhausted', message: 'failed 4 times, the last time: answered 500' },
    endpoint: 'failing',
  } satisfies Verdict);
});

test('waits have full jitter: anything up to the delay', () => {
  const waits = [0, 0.25, 1].map((chance) => {
    const { kind, ...rest } = verdict(answered(500), { failures: 1, chance });
    return kind === 'retry' && 'atMs' in rest ? rest.atMs - nowMs : kind;
  });
  assert.deepEqual(waits, [0, 2_000, 8_000]);
});

test('Retry-After can only lengthen a wait, and by a day at most', () => {
  const waitOf = (outcome: AttemptOutcome) => {
    const found = verdict(outcome);
    return found.kind === 'retry' ? found.atMs - nowMs : undefined;
  };
  assert.equal(waitOf(answered(503, '5')), 5_000);
  assert.equal(waitOf(answered(503, '0')), 1_000);
  assert.equal(waitOf(answered(503, 'soon')), 1_000);
  assert.equal(waitOf(answered(503, new Date(nowMs + 60_000).toUTCString())), 60_000);
  assert.equal(waitOf(answered(429, '999999999')), 24 * 3_600_000);
});

test('only 429 and 503 ask with Retry-After to leave the whole endpoint alone', () => {
  const untilOf = (status: number, retryAfter?: string) => {
    const found = verdict(answered(status, retryAfter));
    return found.kind === 'retry' ? found.waitUntilMs : undefined;
  };
  assert.equal(untilOf(429, '7'), nowMs + 7_000);
  assert.equal(untilOf(503, '7'), nowMs + 7_000);
  assert.equal(untilOf(503), undefined);
  assert.equal(untilOf(500, '7'), undefined);
  assert.equal(untilOf(422, '7'), undefined);
});

test('the last attempt of a record asks for as much: another record is not to be sent sooner', () => {
  const last = verdict(answered(429, '7'), { failures: 3 });
  assert.equal(last.kind, 'dead-letter');
  assert.equal('waitUntilMs' in last && last.waitUntilMs, nowMs + 7_000);
});

test('a batch that is refused is split, however often it failed; any other failure is one of all its records', () => {
  for (const status of [400, 413, 422]) {
    assert.deepEqual(verdict(answered(status), { records: 2, failures: 9 }), {
      kind: 'split',
      error: `answered ${status}`,
      endpoint: 'refusing',
    });
  }
  assert.equal(verdict(answered(500), { records: 2 }).kind, 'retry');
  assert.equal(verdict(answered(410), { records: 2 }).kind, 'disable');
});
