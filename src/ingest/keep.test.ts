import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { SluiceError } from '../shared/error.ts';
import { silentLog } from '../shared/log.ts';
import { silentTelemetry } from '../shared/telemetry.ts';
import { createKeep, type IngestDeadLetter, type KeepOptions } from './keep.ts';
import { RecordTooLargeError } from './outbox-ports.ts';
import type { OutgoingRecord, WriteOutcome } from './ports.ts';

const storageAway = new SluiceError({ code: 'storage.unavailable', message: 'away', retryable: true });
const kafkaAway: WriteOutcome = { ok: false, code: 'kafka-rest.unreachable', message: 'away' };
const tooLarge: WriteOutcome = { ok: false, code: 'kafka-rest.refused', message: 'too large', lasting: true };

/** `outcome` says what the log does with each value. */
function setup(outcome: (value: unknown) => WriteOutcome, changes: Partial<KeepOptions> = {}) {
  const clock = createManualClock(0);
  const tried: unknown[] = [];
  const queued: unknown[] = [];
  const deadLettered: IngestDeadLetter[] = [];
  const state = { storage: true, backlog: false };
  const keep = createKeep({
    write: async (_topic, records) => {
      tried.push(...records.map(({ value }) => value));
      return records.map(({ value }) => outcome(value));
    },
    outbox: {
      add: async (_topic: string, records: readonly OutgoingRecord[]) => {
        if (!state.storage) throw storageAway;
        queued.push(...records.map(({ value }) => value));
      },
      hasBacklog: async () => {
        if (!state.storage) throw storageAway;
        return state.backlog;
      },
    },
    ordering: 'relaxed',
    answerWithinMs: 15_000,
    deadLetter: async (letter) => {
      if (!state.storage) throw storageAway;
      deadLettered.push(letter);
    },
    clock,
    report: silentLog,
    telemetry: silentTelemetry,
    ...changes,
  });
  const run = async (...values: unknown[]) => {
    const fates = await keep(
      'orders',
      values.map((value) => ({ value })),
    );
    return fates.map(({ kind }) => kind);
  };
  return { run, clock, tried, queued, deadLettered, state };
}

const ok: WriteOutcome = { ok: true, partition: 0, offset: 1n };

test('every record finds its own place: log, outbox or dead letters', async () => {
  const { run, queued, deadLettered } = setup((value) =>
    value === 'big' ? tooLarge : value === 'late' ? kafkaAway : ok,
  );
  assert.deepEqual(await run('a', 'late', 'big', 'b', 'late'), [
    'produced',
    'queued',
    'dead-lettered',
    'produced',
    'queued',
  ]);
  assert.deepEqual(queued, ['late', 'late']);
  assert.deepEqual(
    deadLettered.map(({ record, code }) => [record.value, code]),
    [['big', 'kafka-rest.refused']],
  );
});

test('a record that neither the log nor the outbox nor the dead letters took has failed', async () => {
  const { run, state } = setup((value) => (value === 'big' ? tooLarge : value === 'late' ? kafkaAway : ok));
  state.storage = false;
  assert.deepEqual(await run('a', 'late', 'big'), ['produced', 'failed', 'failed']);
});

test('a log that is away is not asked by every request, and is asked again soon', async () => {
  let away = true;
  const { run, clock, tried, queued } = setup(() => (away ? kafkaAway : ok));
  await run('a');
  assert.deepEqual(await run('b'), ['queued']);
  assert.deepEqual(tried, ['a']);
  away = false;
  await clock.advance(2_000);
  assert.deepEqual(await run('c'), ['produced']);
  assert.deepEqual(queued, ['a', 'b']);
});

test('strict ordering queues behind a backlog, relaxed passes it', async () => {
  const strict = setup(() => ok, { ordering: 'strict' });
  strict.state.backlog = true;
  assert.deepEqual(await strict.run('a'), ['queued']);
  strict.state.backlog = false;
  assert.deepEqual(await strict.run('b'), ['produced']);
  strict.state.storage = false;
  assert.deepEqual(await strict.run('c'), ['failed'], 'whether anything waits cannot be known');

  const relaxed = setup(() => ok);
  relaxed.state.backlog = true;
  assert.deepEqual(await relaxed.run('a'), ['produced']);
});

test('without an outbox a failure is the sender’s to repeat', async () => {
  const { run } = setup(() => kafkaAway, { outbox: undefined });
  assert.deepEqual(await run('a'), ['failed']);
});

test('a log that hangs is not waited for longer than senders wait', async () => {
  const { run, clock, queued } = setup(() => ok, { write: () => new Promise(() => undefined) });
  const kinds = run('a');
  await clock.advance(15_000);
  assert.deepEqual(await kinds, ['queued']);
  assert.deepEqual(queued, ['a']);
});

test('a record that even the outbox cannot hold is given up alone', async () => {
  const queued: unknown[] = [];
  const { run, deadLettered } = setup(() => kafkaAway, {
    outbox: {
      add: async (_topic, records) => {
        const index = records.findIndex(({ value }) => value === 'huge');
        if (index >= 0) throw new RecordTooLargeError(index, 2, 1);
        queued.push(...records.map(({ value }) => value));
      },
      hasBacklog: async () => false,
    },
  });
  assert.deepEqual(await run('a', 'huge', 'b'), ['queued', 'dead-lettered', 'queued']);
  assert.deepEqual(queued, ['a', 'b']);
  assert.equal(deadLettered[0]?.code, 'outbox.record-too-large');
});
