import { createHmac } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { HttpRequest } from '../../../src/shared/http.ts';
import type { Arrival, Sent } from '../outside/endpoints.ts';
import type { Place } from '../outside/places.ts';
import { signingKey } from '../outside/secrets.ts';
import type { TableWrite } from '../outside/tables.ts';
import type { LoggedRecord } from '../outside/topic-log.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import { nameOf, type OutWitness, type Watch } from './out-watch.ts';
import { chunksOf, textOf, textOfRows } from './stored.ts';

/** A record as rows hold it. */
interface StoredRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: string;
}

interface StoredLetter {
  readonly id: string;
  readonly payload: string;
  readonly reason: { readonly code: string };
  readonly attempts: readonly { readonly status: number | null }[];
}

/** Retries come no later than their delay, or than the longest that receivers here ask for. */
const retryAfterMsMax = 20_000;
/** Attempts that are remembered of a record. */
const attemptsKeptMax = 20;

/** A delivery carries each of its records whole, in the form that its sender is configured with. */
export function checkCarried(
  { world, log, configurations }: OutWitness,
  { subscription, request, caller }: Arrival,
  places: readonly Place[],
): void {
  const plan = configurations.of(caller.name).subscriptions.find(({ name }) => name === subscription);
  if (plan === undefined || places.length === 0) return;
  const carried = carriedBy(request, plan.form);
  for (const [index, place] of places.entries()) {
    const records = generationsOf(log, place.topic)
      .filter(({ generation }) => generation === (place.generation ?? generation))
      .flatMap(({ partitions }) => {
        const records = partitions[place.partition]?.records ?? [];
        return records.find(({ offset }) => offset === place.offset) ?? [];
      });
    if (records.some((record) => isDeepStrictEqual(carried[index], contentOf(record, plan)))) continue;
    const what = JSON.stringify(carried[index])?.slice(0, 200);
    world.violated('records are delivered whole', `${request.headers['webhook-id']} carries ${what}`);
  }
}

/** Every delivery is signed, and says when its attempt began. */
export function checkSigned({ world }: OutWitness, { subscription, request, caller }: Sent): void {
  const { headers, body = '', timeoutMs } = request;
  const seconds = headers['webhook-timestamp'] ?? '';
  const content = createHmac('sha256', signingKey).update(`${headers['webhook-id']}.${seconds}.`);
  const isSigned = headers['webhook-signature'] === `v1,${content.update(body).digest('base64')}`;
  const { timeoutMs: attemptMs = timeoutMs } =
    world.plan.subscriptions.find(({ name }) => name === subscription) ?? {};
  const ageMs = caller.clock.now() - Number(seconds) * 1_000;
  // Whole seconds, of an attempt that may have waited for a token; its clock may have been set since.
  const isNow = (ageMs >= 0 && ageMs < attemptMs + 1_000) || world.nowMs() - caller.setMs < attemptMs;
  if (isSigned && isNow) return;
  world.violated('deliveries say what they are', `${subscription} gets one signed for ${seconds}`);
}

/** A parked record is whole, with its attempts, and due when its schedule says. */
export function checkParkedRow(witness: OutWitness, watch: Watch, write: TableWrite): void {
  const { after } = write;
  if (after === undefined) return;
  const stored = storedIn<{ record: StoredRecord; attempts: readonly unknown[] }>(
    textOfRows(witness.tables, 'parked', after, after.partitionKey),
  );
  const failures = Number(after.failures);
  const isWhole =
    stored !== undefined &&
    isOfLog(witness, watch, stored.record) &&
    (after.key === undefined || after.key === JSON.stringify(stored.record.key)) &&
    Number(stored.record.offset) === Number(after.rowKey) &&
    stored.attempts.length === Math.min(failures, attemptsKeptMax);
  const place = `${nameOf(watch)}/${Number(after.rowKey)}`;
  if (!isWhole) witness.world.violated('parked records are whole', place);
  checkDelay(witness, watch, write, { place, failures, atMs: Number(after.nextAttemptMs) });
}

/** The same of a record that is held back. */
export function checkHeld(witness: OutWitness, watch: Watch, write: TableWrite): void {
  const { before, after } = write;
  const retry = storedIn<{ failures: number; atMs: number }>(String(after?.retry));
  if (retry === undefined || retry.failures === 0 || after?.retry === before?.retry) return;
  const place = `${nameOf(watch)}/${after?.nextOffset}`;
  const attempts = storedIn<readonly unknown[]>(textOf(after)) ?? [];
  if (attempts.length !== Math.min(retry.failures, attemptsKeptMax)) {
    witness.world.violated('records keep their attempts', `${place} has ${attempts.length}`);
  }
  checkDelay(witness, watch, write, { place, ...retry });
}

/** A retry waits no longer than its schedule says, or the receiver. */
function checkDelay(
  { world, configurations }: OutWitness,
  watch: Watch,
  { writer }: TableWrite,
  { place, failures, atMs }: { place: string; failures: number; atMs: number },
): void {
  const delaysMs = configurations.ever(watch.plan.name).map((plan) => plan.delaysMs[failures - 1] ?? 0);
  const asks = world.plan.faults['endpoint throttles'] !== undefined;
  const mostMs = Math.max(...delaysMs, asks ? retryAfterMsMax : 0) + 2 * world.plan.skewMs;
  const waitMs = atMs - writer.latestMs;
  if (waitMs > mostMs) world.violated('a retry comes in its time', `${place} waits for ${waitMs} ms`);
}

/** A dead letter holds the whole record, from its first row to its last, and stays as it is. */
export function checkLetter(witness: OutWitness, watch: Watch, { before, after }: TableWrite): void {
  const { world, tables } = witness;
  const name = `${nameOf(watch)}: ${(after ?? before)?.rowKey}`;
  const isWhole = () => {
    if (after === undefined) return false;
    if (before !== undefined) return isDeepStrictEqual(chunksOf(after), chunksOf(before));
    const stored = storedIn<StoredLetter>(
      textOfRows(tables, 'deadletters', after, `${after.partitionKey}:more`),
    );
    const record = stored && storedIn<StoredRecord>(stored.payload);
    if (stored === undefined || record === undefined) return false;
    checkRefusals(witness, watch, stored);
    return (
      isOfLog(witness, watch, record) &&
      stored.reason.code === after.code &&
      stored.attempts.length === after.attemptCount
    );
  };
  if (!isWhole()) world.violated('dead letters are whole', name);
}

/** Offsets at which an open dead letter holds the very record that is there now: given up again, it has its letter. */
export function offsetsOfLetters({ tables, log }: OutWitness, watch: Watch): ReadonlySet<number> {
  const { plan, topic, partition, generation } = watch;
  const records = log.generation(topic, generation)?.partitions[partition]?.records ?? [];
  const open = tables.rows('deadletters', plan.name).filter(({ state }) => state === 'open');
  const stored = open.flatMap((row) => {
    const text = textOfRows(tables, 'deadletters', row, `${row.partitionKey}:more`);
    return storedIn<StoredRecord>(storedIn<StoredLetter>(text)?.payload ?? '') ?? [];
  });
  const held = stored.filter((each) => each.topic === topic && each.partition === partition);
  return new Set(
    records.filter((record) => held.some((each) => isSame(record, each))).map(({ offset }) => offset),
  );
}

/** What is refused as often as configured gets no further attempt. */
function checkRefusals({ world }: OutWitness, watch: Watch, { id, attempts }: StoredLetter): void {
  const { refusedAttemptsMax } = watch.plan;
  const before = attempts.slice(refusedAttemptsMax - 1, -1);
  if (!before.some(({ status }) => isRefusal(status ?? 0))) return;
  world.violated('records get their attempts', `${nameOf(watch)}: ${id} was refused before its last attempt`);
}

function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && ![408, 410, 425, 429].includes(status);
}

/** What is stored as JSON; undefined where it is cut off, or nothing. */
function storedIn<T>(text: string): T | undefined {
  const stored = jsonOf(text);
  return typeof stored === 'object' && stored !== null ? (stored as T) : undefined;
}

function generationsOf(log: OutWitness['log'], topic: string) {
  const newest = log.newest(topic)?.generation ?? -1;
  return Array.from({ length: newest + 1 }, (_, generation) => log.generation(topic, generation)).filter(
    (each) => each !== undefined,
  );
}

/** Whether the log has, or had, a record just as it is stored. */
function isOfLog({ log }: OutWitness, watch: Watch, stored: StoredRecord): boolean {
  const { topic, partition } = stored;
  return (
    topic === watch.topic &&
    partition === watch.partition &&
    generationsOf(log, topic).some(({ partitions }) =>
      partitions[partition]?.records.some((record) => isSame(record, stored)),
    )
  );
}

function isSame(record: LoggedRecord, { offset, key, value, timestampMs }: StoredRecord): boolean {
  return (
    String(record.offset) === offset &&
    record.key === key &&
    record.value === value &&
    String(record.atMs) === timestampMs
  );
}

/** What a request carries, in its order, each as {@link contentOf} has it. */
function carriedBy({ headers, body = '' }: HttpRequest, form: SubscriptionPlan['form']): readonly unknown[] {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  const content = jsonOf(text);
  if (form === 'raw' || form === 'structured') return [content];
  if (form !== 'binary') return Array.isArray(content) ? content : [];
  const attributes = Object.entries(headers).filter(([name]) => name.startsWith('ce-'));
  const event = Object.fromEntries(attributes.map(([name, value]) => [name.slice('ce-'.length), value]));
  return [{ ...event, datacontenttype: headers['content-type'], data: content }];
}

/** What a receiver is to read of a record: the event, or the value where the form is one without events. */
function contentOf(record: LoggedRecord, { form, transforms }: SubscriptionPlan): unknown {
  const value = jsonOf(record.value ?? '');
  const event = isEvent(value) ? value : wrapped(record, value);
  if (form === 'raw') return transforms ? event.data : value;
  if (typeof form === 'object' && form.kind === 'array') return value;
  // Whatever a transform makes is JSON.
  return form === 'binary' || transforms ? { ...event, datacontenttype: 'application/json' } : event;
}

function isEvent(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && 'specversion' in value && value.specversion === '1.0';
}

/** The event that is made of a record which holds none. */
function wrapped({ topic, partition, offset, key, atMs }: LoggedRecord, data: unknown) {
  return {
    specversion: '1.0',
    id: `${topic}_${partition}_${offset}`,
    source: `/topics/${topic}/partitions/${partition}`,
    type: 'kafka.record',
    time: new Date(atMs).toISOString(),
    datacontenttype: 'application/json',
    ...(key !== null && { partitionkey: key }),
    data,
  };
}

/** Text that is no JSON stands for itself. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
