import type { Mutant } from './mutants.ts';

/** Faults of the way in that a simulator worth its name finds. */
export const mutantsIn: readonly Mutant[] = [
  {
    name: 'receipt before produce',
    file: 'src/ingest/once.ts',
    text: 'const fate = await keep();',
    by: `await tolerate('early', () => receipts.save(source, id, { kind: 'queued' }, clock.now() + windowMs));
    const fate = await keep();`,
  },
  {
    name: 'per-record error ignored',
    file: 'src/kafka-rest/answers.ts',
    text: 'if (isError(record)) return',
    by: 'if (isError({})) return',
  },
  {
    name: 'error of the whole call ignored',
    file: 'src/kafka-rest/write-records.ts',
    text: 'return records.map(() => ({ ok: false, code, message, lasting, away }));',
    by: "return records.map(() => (code === 'kafka-rest.failed' ? { ok: true } : { ok: false, code, message, lasting, away }));",
  },
  {
    name: 'batch leaves the outbox before it is produced',
    file: 'src/ingest/flush-topic.ts',
    text: 'const outcomes = await options.write(batch.topic, batch.records);',
    by: `await outbox.remove(batch);
  const outcomes = await options.write(batch.topic, batch.records);`,
  },
  {
    name: 'failed batch leaves the outbox',
    file: 'src/ingest/flush-topic.ts',
    text: 'if (outcome.ok) count.produced += 1;',
    by: "if (outcome.ok || outcome.code === 'kafka-rest.unreachable') count.produced += 1;",
  },
  {
    name: 'spill acknowledged before it is stored',
    file: 'src/ingest/keep.ts',
    text: 'await options.outbox.add(topic, records, options.clock.now());',
    by: 'options.outbox.add(topic, records, options.clock.now()).catch(() => undefined);',
  },
  {
    name: 'failed spill acknowledged',
    file: 'src/ingest/keep.ts',
    text: 'return failAll(options, topic, records, error);\n  }\n}\n\n/** A record that no batch',
    by: "return records.map(() => ({ kind: 'queued' }));\n  }\n}\n\n/** A record that no batch",
  },
  {
    name: 'failed produce not spilled',
    file: 'src/ingest/keep.ts',
    text: 'if (outcome === undefined || isPassing(outcome)) return queuedFates.next().value ?? unsaid;',
    by: "if (outcome === undefined || isPassing(outcome)) return { kind: 'queued' };",
  },
  {
    name: 'records overtake the outbox in strict order',
    file: 'src/ingest/keep.ts',
    text: "if (options.ordering === 'relaxed' || options.outbox === undefined) return undefined;",
    by: 'return undefined;',
  },
  {
    name: 'batch that waits is overtaken in strict order',
    file: 'src/ingest/flush-topic.ts',
    text: "if (settled === 'postponed' && ordering === 'strict') return 'held-back';",
    by: '',
  },
  {
    name: 'dead letter that failed counts as written',
    file: 'src/ingest/flush-topic.ts',
    text: "report.error('outbox.dead-letter-failed', { ...place, error: describeError(error) });\n    return false;",
    by: "report.error('outbox.dead-letter-failed', { ...place, error: describeError(error) });\n    return true;",
  },
  {
    name: 'events of a request leave in any order',
    file: 'src/ingest/accept.ts',
    text: 'await before;',
    by: '',
  },
  {
    name: 'transaction without its answer counts as written',
    file: 'src/storage/table/rows.ts',
    text: 'throw new StorageError(table.tableName, error);',
    by: "if (status === undefined && table.tableName === 'outbox') return true as T;\n    throw new StorageError(table.tableName, error);",
  },
  {
    name: 'receipts recognise nothing',
    file: 'src/ingest/once.ts',
    text: 'if (known !== undefined) {',
    by: 'if (known !== undefined && windowMs < 0) {',
  },
];
