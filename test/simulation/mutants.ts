import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A deliberate fault in the code: a text in a file of `src` that is replaced. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly by: string;
}

/** What came of a mutant. */
export interface MutantResult {
  readonly name: string;
  /** How many seeds it took to find it; undefined: it was not found. */
  readonly seeds: number | undefined;
  /** The promise that it broke. */
  readonly invariant: string | undefined;
}

/** Seeds within which a mutant must be found. */
export const mutantSeedsMax = 500;

const root = join(import.meta.dirname, '..', '..');

/** Faults that a simulator worth its name finds. */
export const mutants: readonly Mutant[] = [
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
  {
    name: 'checkpoint before delivery',
    file: 'src/drain/walk.ts',
    text: 'const outgoing = taken.map(freshOutgoing);\n    const [first] = outgoing;',
    by: 'const outgoing = taken.map(freshOutgoing);\n    for (const one of outgoing) this.finish(one);\n    await this.#saves.save();\n    const [first] = outgoing;',
  },
  {
    name: 'unfenced write of a checkpoint',
    file: 'src/storage/table/checkpoint-store.ts',
    text: 'await replaceRow(table, await toEntity(checkpoint), version)',
    by: "await replaceRow(table, await toEntity(checkpoint), version && '*')",
  },
  {
    name: 'lease of somebody else ignored',
    file: 'src/drain/checkpoint.ts',
    text: 'return checkpoint.lease === null || checkpoint.lease.expiresAtMs <= nowMs;',
    by: 'return nowMs > 0;',
  },
  {
    name: 'lease taken over before it lapses',
    file: 'src/drain/checkpoint.ts',
    text: 'checkpoint.lease.expiresAtMs <= nowMs;',
    by: 'checkpoint.lease.expiresAtMs - 20_000 <= nowMs;',
  },
  {
    name: 'lease shorter than the timeout',
    file: 'src/drain/drain.ts',
    text: 'const leaseMs = Math.max(limits.leaseMs, subscription.attemptMs * 2);',
    by: 'const leaseMs = subscription.attemptMs / 2;',
  },
  {
    name: 'failure to write a dead letter ignored',
    file: 'src/drain/sending.ts',
    text: 'await deadLetters.add(letter, deadLetterKey(record));',
    by: 'await deadLetters.add(letter, deadLetterKey(record)).catch(() => undefined);',
  },
  {
    name: 'parked key overtaken',
    file: 'src/drain/lanes.ts',
    text: "else if (lane.state === 'parked') this.#someBehind = true;",
    by: "else if (lane.state === 'parked') {\n      this.#beginning.push(lane);\n      this.#noteReady(lane);\n    }",
  },
  {
    name: 'two deliveries of one lane at once',
    file: 'src/drain/lanes.ts',
    text: "lane.state = 'busy';\n    const until",
    by: "lane.state = 'idle';\n    const until",
  },
  {
    name: 'gap skipped silently',
    file: 'src/drain/intake.ts',
    text: 'this.#passGap({ ...part, cause });',
    by: '',
  },
  {
    name: 'stale metadata taken for a new topic',
    file: 'src/drain/checkpoint.ts',
    text: 'export const recreatedAfterMs = 60_000;',
    by: 'export const recreatedAfterMs = 0;',
  },
  {
    name: 'new topic never recognised',
    file: 'src/drain/intake.ts',
    text: "this.#loss = { cause: 'recreated', sinceMs: clock.now(), halted: false };",
    by: '',
  },
  {
    name: 'new topic followed from its end',
    file: 'src/drain/intake.ts',
    text: 'this.#progress = new Progress({ nextOffset: now.earliestOffset, finished: [] });',
    by: 'this.#progress = new Progress({ nextOffset: now.latestOffset, finished: [] });',
  },
  {
    name: 'empty offsets passed after one look',
    file: 'src/drain/reader.ts',
    text: 'if (again !== undefined) return again;',
    by: '',
  },
  {
    name: 'parked row not fenced',
    file: 'src/storage/table/fence.ts',
    text: "['update', fence, 'Replace', { etag: version }],",
    by: "['update', fence, 'Replace', { etag: version && '*' }],",
  },
  {
    name: 'parked records finished before they are stored',
    file: 'src/drain/sending.ts',
    text: 'if (!(await parking.put(records))) {',
    by: 'for (const one of outgoing) if (one.fromOffset !== undefined) course.finish(one);\n    if (!(await parking.put(records))) {',
  },
  {
    name: 'parked record removed before its attempt',
    file: 'src/drain/walk.ts',
    text: 'await this.#sending.send(outgoing);\n  }\n\n  async #renewed',
    by: 'await this.#parking.remove(outgoing.map(({ record }) => record.offset));\n    await this.#sending.send(outgoing);\n  }\n\n  async #renewed',
  },
  {
    name: 'parked records opened under an old lease',
    file: 'src/storage/table/fence.ts',
    text: 'if (found !== undefined && found.epoch > epoch) return undefined;',
    by: '',
  },
  {
    name: 'way on beyond the end believed',
    file: 'src/drain/reader.ts',
    text: 'const toOffset = afterLast > fromOffset ? afterLast : bounded;',
    by: 'const toOffset = bounded > afterLast ? bounded : afterLast;',
  },
  {
    name: 'lapsed lease hides parked records',
    file: 'src/drain/walk.ts',
    text: 'inDoubt: holding.takenOver || known.count > 0,',
    by: 'inDoubt: known.count > 0,',
  },
  {
    name: 'checkpoint says nothing of parked records',
    file: 'src/drain/walk.ts',
    text: 'if (!inDoubt) return { count, nextAttemptMs: nextAttemptMs ?? 0 };',
    by: 'if (!inDoubt) return { count: count * 0, nextAttemptMs: nextAttemptMs ?? 0 };',
  },
  {
    name: 'bound of parked records ignored',
    file: 'src/drain/walk.ts',
    text: 'return parkedMax - this.#parking.count - this.#freshInJobs;',
    by: 'return parkedMax + 1_000 - this.#parking.count - this.#freshInJobs;',
  },
  {
    name: 'failures not counted',
    file: 'src/drain/sending.ts',
    text: 'return this.#park(outgoing, ({ record, failures, attempts }) => ({\n      record,\n      failures: failures + 1,',
    by: 'return this.#park(outgoing, ({ record, failures, attempts }) => ({\n      record,\n      failures,',
  },
  {
    name: 'held record passed',
    file: 'src/drain/walk.ts',
    text: 'this.#intake.progress.finish(fromOffset ?? record.offset, record.offset);',
    by: 'this.#intake.progress.finish(fromOffset ?? record.offset, record.offset + 1n);',
  },
  {
    name: 'redirect counts as success',
    file: 'src/delivery/verdict.ts',
    text: "{ from: 200, to: 299, means: 'done' }",
    by: "{ from: 200, to: 399, means: 'done' }",
  },
  {
    name: 'refused batch given up whole',
    file: 'src/delivery/verdict.ts',
    text: "if (means === 'refused' && options.records > 1) return { kind: 'split', error };",
    by: '',
  },
  {
    name: 'window ignored',
    file: 'src/drain/walk.ts',
    text: 'const window = this.#options.windowRecords - this.#saves.unsaved - this.#recordsInJobs;',
    by: 'const window = 1_000;',
  },
  {
    name: 'connections unlimited',
    file: 'src/drain/gate.ts',
    text: 'return this.#inFlight < this.#options.limits.connectionsMax;',
    by: 'return this.#inFlight < 1_000;',
  },
  {
    name: 'rate unlimited',
    file: 'src/drain/gate.ts',
    text: 'if (this.#rate() !== undefined) this.#tokens -= 1;',
    by: '',
  },
  {
    name: 'state of the endpoint not read anew',
    file: 'src/drain/gate.ts',
    text: 'this.#options.clock.now() - this.#readAtMs >= refreshMs;',
    by: 'this.#readAtMs === Number.NEGATIVE_INFINITY;',
  },
  {
    name: 'broken endpoint probed before its time',
    file: 'src/drain/endpoint-state.ts',
    text: "return endpoint.state === 'broken' && endpoint.probeAtMs <= nowMs;",
    by: "return endpoint.state === 'broken';",
  },
  {
    name: 'probe not taken before it is sent',
    file: 'src/drain/gate.ts',
    text: 'return taken ? takeProbe(endpoint, untilMs) : undefined;',
    by: 'return untilMs > 0 ? undefined : takeProbe(endpoint, untilMs);',
  },
  {
    name: 'broken endpoint attempted as if it were well',
    file: 'src/drain/gate.ts',
    text: "if (this.#change !== undefined || this.#state().state !== 'active') return false;",
    by: 'if (this.#change !== undefined) return false;',
  },
  {
    name: 'requests of a partition unlimited',
    file: 'src/drain/walk.ts',
    text: 'if (this.#jobs >= (gate.probing ? 1 : rules.maxInFlight)) return false;',
    by: 'if (this.#jobs >= (gate.probing ? 1 : 1_000)) return false;',
  },
  {
    name: 'parked records found in the wrong order',
    file: 'src/drain/parking.ts',
    text: 'this.#onFound(partition.entries);',
    by: 'this.#onFound(partition.entries.toReversed());',
  },
  {
    name: 'endpoint that is back stays broken',
    file: 'src/drain/gate.ts',
    text: 'if (!failing) return activeEndpoint(endpoint.subscription, nowMs);',
    by: 'if (!failing) return undefined;',
  },
  {
    name: 'webhook-id without the partition',
    file: 'src/events/record.ts',
    text: '_${record.partition}_',
    by: '_0_',
  },
  {
    name: 'filter ignored',
    file: 'src/delivery/prepare.ts',
    text: 'if (isUnwanted?.(read.event) !== undefined) return filtered;',
    by: '',
  },
  {
    name: 'progress moved over what is not finished',
    file: 'src/drain/progress.ts',
    text: 'if (fromOffset <= this.#nextOffset) this.#moveTo(toOffset);',
    by: 'if (fromOffset <= this.#nextOffset + 1n) this.#moveTo(toOffset);',
  },
];

/**
 * Applies mutants one at a time to a copy of the tree, and runs seeds there until one of them breaks a promise.
 *
 * @throws when a text is not in its file exactly once.
 */
export async function findMutants(
  names: readonly string[],
  onResult: (result: MutantResult) => void,
): Promise<readonly MutantResult[]> {
  const chosen = mutants.filter(
    ({ name }) => names.length === 0 || names.some((part) => name.includes(part)),
  );
  const originals = new Map<string, string>();
  for (const mutant of chosen) originals.set(mutant.file, await checkedText(mutant));
  const results: MutantResult[] = [];
  for (const mutant of chosen) {
    const result = await findMutant(mutant, originals.get(mutant.file) ?? '');
    results.push(result);
    onResult(result);
  }
  return results;
}

/**
 * The files that mutants change, by their paths.
 *
 * @throws when a text is not in its file exactly once.
 */
export async function readOriginals(chosen: readonly Mutant[]): Promise<ReadonlyMap<string, string>> {
  const originals = new Map<string, string>();
  for (const mutant of chosen) originals.set(mutant.file, await checkedText(mutant));
  return originals;
}

async function checkedText({ name, file, text }: Mutant): Promise<string> {
  const original = await readFile(join(root, file), 'utf8');
  const times = original.split(text).length - 1;
  if (times !== 1) throw new Error(`mutant "${name}": its text is in ${file} ${times} times, not once`);
  return original;
}

async function findMutant({ name, file, text, by }: Mutant, original: string): Promise<MutantResult> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-mutant-'));
  try {
    await cp(join(root, 'src'), join(dir, 'src'), { recursive: true });
    for (const part of ['simulation', 'support']) {
      await cp(join(root, 'test', part), join(dir, 'test', part), { recursive: true });
    }
    await cp(join(root, 'package.json'), join(dir, 'package.json'));
    await symlink(join(root, 'node_modules'), join(dir, 'node_modules'), 'dir');
    await writeFile(
      join(dir, file),
      original.replace(text, () => by),
    );
    const output = await runNode(dir, [
      'test/simulation/main.ts',
      ...['--seeds', String(mutantSeedsMax), '--failures', '1', '--json', '--no-shrink'],
    ]);
    const { failures } = JSON.parse(output) as { failures: { seed: number; invariant: string }[] };
    return { name, seeds: failures[0]?.seed, invariant: failures[0]?.invariant };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function runNode(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 || code === 1) resolve(output);
      else reject(new Error(`the simulator ended with ${code}: ${output}`));
    });
  });
}
