import type { TableClient } from '@azure/data-tables';
import type { Caller, Instance } from '../platform/instance.ts';
import { growth } from '../world/machine.ts';
import type { World } from '../world/world.ts';
import { compileODataFilter, partitionOfFilter, propertyOf } from './odata.ts';

/** An entity as it is written. */
export interface Written extends Readonly<Record<string, unknown>> {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/** An entity as the service keeps it. */
export interface Entity extends Written {
  readonly etag: string;
}

/** A write that took effect. */
export interface TableWrite {
  readonly table: string;
  readonly before: Entity | undefined;
  readonly after: Entity | undefined;
  readonly writer: Instance;
}

/** Table Storage as its client shows it, shared by all instances. */
export interface TablesModel {
  /** The client of a table, as one instance holds it. */
  client(instance: Instance, table: string): TableClient;
  /** What a table holds, in the order of its keys. */
  rows(table: string, partitionKey?: string): readonly Entity[];
  row(table: string, partitionKey: string, rowKey: string): Entity | undefined;
  /** Tells of every write that takes effect. */
  onWrite(listener: (write: TableWrite) => void): void;
  /** Lets the service be away for a while. */
  goAway(forMs: number): void;
}

/** A table's partitions, by their keys. */
type Rows = Map<string, Part>;

interface Part {
  readonly rows: Map<string, Entity>;
  /** The same in the order of their keys; undefined when a row has come or changed since somebody asked. */
  sorted: readonly Entity[] | undefined;
}

type Action = readonly [
  kind: string,
  entity: Record<string, unknown>,
  mode?: unknown,
  options?: { etag?: string } | undefined,
];

/** Limits of the service (learn.microsoft.com, "Understanding the Table service data model"). */
const propertyBytesMax = 65_536;
const entityBytesMax = 1_048_576;
const propertiesMax = 252;
const keyCharsMax = 512;
const transactionEntitiesMax = 100;
const transactionBytesMax = 4 * 1_048_576;
const forbiddenInKeys = /[/\\#?\p{Cc}]/u;
const pageRowsMax = 1_000;

/** How long the client tries before it gives the service up: two repetitions of a call that gets no answer. */
const givenUpAfterMsMax = 31_000;
/** The client asks again when an answer is lost, at once or when it has waited long enough; it gets the answer to that. */
const repeatedAfterMsMin = 200;
const repeatedAfterMsMax = 10_400;
/** A write that was given up takes effect this long after, if it does. */
const lateMsMax = 20_000;
/** A little less than leases last at least. */
const renewMsMax = 27_000;

/** An error of the client; without a status no answer came. */
class TableError extends Error {
  readonly statusCode: number | undefined;
  readonly code: string;

  constructor(statusCode: number | undefined, code: string) {
    super(code);
    this.statusCode = statusCode;
    this.code = code;
  }
}

/** Makes Table Storage of a world, empty. */
export function createTables(world: World): TablesModel {
  const tables = new Map<string, Rows>();
  const listeners: ((write: TableWrite) => void)[] = [];
  const chance = world.chance('tables');
  const late = world.chance('late writes');
  const repetitions = world.chance('repetitions');
  /** Writes that were given up and have not taken effect yet. */
  const overdue = new Set<() => void>();
  let versions = 0;
  let awayUntilMs = 0;

  /** One operation at the service: all its actions, or none. */
  function commit(table: string, actions: readonly Action[], writer: Instance): Entity[] {
    const rows = tables.get(table);
    if (rows === undefined) throw new TableError(404, 'TableNotFound');
    const planned = actions.map((action) => planOne(rows, action));
    const written: Entity[] = [];
    for (const { kind, before, entity } of planned) {
      const part = rows.get(entity.partitionKey) ?? { rows: new Map(), sorted: undefined };
      rows.set(entity.partitionKey, part);
      part.sorted = undefined;
      versions += 1;
      const after: Entity | undefined =
        kind === 'delete' ? undefined : { ...entity, etag: `W/"${versions}"` };
      if (after === undefined) part.rows.delete(entity.rowKey);
      else part.rows.set(entity.rowKey, after);
      written.push(after ?? { ...entity, etag: '' });
      world.note('tables', () => {
        const verb = after === undefined ? 'removes' : before === undefined ? 'has new' : 'changes';
        return `${table} ${verb} ${entity.partitionKey} ${entity.rowKey} (${writer.name})${shown(after)}`;
      });
      for (const listener of listeners) listener({ table, before, after, writer });
    }
    return written;
  }

  function planOne(rows: Rows, [kind, given, mode, options]: Action) {
    const entity = checked(world, given);
    const before = rows.get(entity.partitionKey)?.rows.get(entity.rowKey);
    if (kind === 'create') {
      if (before !== undefined) throw new TableError(409, 'EntityAlreadyExists');
      return { kind, before, entity };
    }
    if (kind === 'upsert')
      return { kind, before, entity: mode === 'Merge' ? { ...before, ...entity } : entity };
    if (before === undefined) throw new TableError(404, 'ResourceNotFound');
    const etag = options?.etag ?? '*';
    if (etag !== '*' && etag !== before.etag) throw new TableError(412, 'UpdateConditionNotSatisfied');
    return { kind, before, entity: mode === 'Merge' ? { ...before, ...entity } : entity };
  }

  /** Carries a call to the service and its answer back. */
  function ask<T>(instance: Instance, what: string, serve: () => T): Promise<T> {
    return instance.call(what, (caller: Caller<T>) => {
      const arrivesAfterMs = chance.latencyMs(2, 100);
      const answersAfterMs = chance.latencyMs(3, 200);
      const giveUp = () => caller.reject(new TableError(undefined, 'REQUEST_SEND_ERROR'));
      if (!world.healed && world.nowMs() < awayUntilMs) {
        world.after(chance.integer(500, givenUpAfterMsMax), giveUp);
        return;
      }
      if (world.strikes('tables throttle')) {
        world.after(arrivesAfterMs + answersAfterMs, () => caller.reject(new TableError(503, 'ServerBusy')));
        return;
      }
      const loses = world.strikes('tables lose answers');
      const repeats = !loses && world.strikes('tables answer a repetition');
      const isRenewal = what === 'checkpoints update' && world.strikes('tables renew slowly');
      const renewMs = isRenewal ? late.integer(renewMsMax / 3, renewMsMax) : 0;
      const slowMs = world.strikes('tables are slow') ? chance.integer(100, 10_000) : 0;
      world.after(arrivesAfterMs + (chance.happens(0.5) ? slowMs : 0), () => {
        const result = attempt(serve);
        const tookMs = answersAfterMs + slowMs + renewMs;
        if (loses) world.after(chance.integer(500, givenUpAfterMsMax), giveUp);
        else if (!repeats) world.after(tookMs, () => settle(caller, result));
        else {
          world.after(repetitions.integer(repeatedAfterMsMin, repeatedAfterMsMax), () => {
            const again = attempt(serve);
            world.after(tookMs, () => settle(caller, again));
          });
        }
      });
    });
  }

  /** Like {@link ask}, for what changes something: now and then it does so after its caller has given it up. */
  function askToWrite<T>(instance: Instance, what: string, serve: () => T): Promise<T> {
    if (!world.strikes('tables write late')) return ask(instance, what, serve);
    return instance.call(what, (caller: Caller<T>) => {
      const land = () => {
        if (overdue.delete(land)) attempt(serve);
      };
      const givenUpAfterMs = late.integer(500, givenUpAfterMsMax);
      world.after(givenUpAfterMs, () => {
        overdue.add(land);
        caller.reject(new TableError(undefined, 'REQUEST_SEND_ERROR'));
      });
      world.after(givenUpAfterMs + late.integer(1, lateMsMax), land);
    });
  }

  /** What is overdue comes when it is least expected: just after somebody has looked. */
  function landSoon(): void {
    for (const land of overdue) world.after(late.integer(1, 5), land);
  }

  function sorted(table: string, partitionKey?: string): readonly Entity[] {
    const parts = tables.get(table);
    if (parts === undefined) return [];
    if (partitionKey === undefined) return [...parts.keys()].sort().flatMap((key) => sorted(table, key));
    const part = parts.get(partitionKey);
    if (part === undefined) return [];
    part.sorted ??= [...part.rows.values()].sort((one, two) => (one.rowKey < two.rowKey ? -1 : 1));
    return part.sorted;
  }

  function readPage(
    table: string,
    { filter = '', select }: { filter?: string; select?: readonly string[] },
    { maxPageSize, from }: { maxPageSize: number; from: string | undefined },
  ) {
    if (!tables.has(table)) throw new TableError(404, 'TableNotFound');
    landSoon();
    const test = filter === '' ? () => true : compileODataFilter(filter);
    const page: object[] & { continuationToken?: string } = [];
    // The service may stop anywhere: a page says nothing about what follows it.
    const most = Math.min(maxPageSize, pageRowsMax, chance.happens(0.1) ? chance.integer(0, 3) : pageRowsMax);
    for (const row of sorted(table, partitionOfFilter(filter))) {
      if ((from !== undefined && isBefore(row, from)) || !test(row)) continue;
      if (page.length >= most) {
        page.continuationToken = JSON.stringify([row.partitionKey, row.rowKey]);
        return page;
      }
      page.push(select === undefined ? { ...row } : pick(row, select));
    }
    return page;
  }

  function client(instance: Instance, table: string) {
    return {
      tableName: table,
      createTable: () =>
        ask(instance, `${table} createTable`, () => {
          if (!tables.has(table)) tables.set(table, new Map());
        }),
      createEntity: (entity: Record<string, unknown>) =>
        askToWrite(instance, `${table} create`, () => head(commit(table, [['create', entity]], instance))),
      updateEntity: (entity: Record<string, unknown>, mode?: string, options?: { etag?: string }) =>
        askToWrite(instance, `${table} update`, () =>
          head(commit(table, [['update', entity, mode, options]], instance)),
        ),
      upsertEntity: (entity: Record<string, unknown>, mode?: string) =>
        askToWrite(instance, `${table} upsert`, () =>
          head(commit(table, [['upsert', entity, mode]], instance)),
        ),
      deleteEntity: (partitionKey: string, rowKey: string, options?: { etag?: string }) =>
        askToWrite(instance, `${table} delete`, () =>
          head(commit(table, [['delete', { partitionKey, rowKey }, undefined, options]], instance)),
        ),
      getEntity: (partitionKey: string, rowKey: string) =>
        ask(instance, `${table} get`, () => {
          if (!tables.has(table)) throw new TableError(404, 'TableNotFound');
          const row = tables.get(table)?.get(partitionKey)?.rows.get(rowKey);
          if (row === undefined) throw new TableError(404, 'ResourceNotFound');
          return { ...row };
        }),
      submitTransaction: (actions: readonly Action[]) =>
        askToWrite(instance, `${table} transaction of ${actions.length}`, () => {
          checkTransaction(world, actions);
          const written = commit(table, actions, instance);
          return {
            status: 202,
            subResponses: written.map(({ etag, rowKey }) => ({ status: 204, etag, rowKey })),
          };
        }),
      listEntities: ({
        queryOptions = {},
      }: {
        queryOptions?: { filter?: string; select?: string[] };
      } = {}) => ({
        async *byPage({ maxPageSize = pageRowsMax, continuationToken = '' } = {}) {
          let from = continuationToken === '' ? undefined : continuationToken;
          do {
            const at = from;
            const page = await ask(instance, `${table} list`, () =>
              readPage(table, queryOptions, { maxPageSize, from: at }),
            );
            from = page.continuationToken;
            yield page;
          } while (from !== undefined);
        },
      }),
    };
  }

  return {
    client: (instance, table) => client(instance, table) as unknown as TableClient,
    rows: sorted,
    row: (table, partitionKey, rowKey) => tables.get(table)?.get(partitionKey)?.rows.get(rowKey),
    onWrite: (listener) => listeners.push(listener),
    goAway(forMs) {
      awayUntilMs = world.nowMs() + forMs;
      world.note('tables', () => `are away for ${forMs} ms`);
    },
  };
}

type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Error };

function attempt<T>(serve: () => T): Result<T> {
  try {
    return { ok: true, value: serve() };
  } catch (error) {
    if (error instanceof TableError) return { ok: false, error };
    throw error;
  }
}

function settle<T>(caller: Caller<T>, result: Result<T>): void {
  if (result.ok) caller.resolve(result.value);
  else caller.reject(result.error);
}

function head(written: readonly Entity[]) {
  return { etag: written[0]?.etag };
}

function isBefore(row: Entity, token: string): boolean {
  const [partitionKey, rowKey] = JSON.parse(token) as [string, string];
  return row.partitionKey === partitionKey ? row.rowKey < rowKey : row.partitionKey < partitionKey;
}

function pick(row: Entity, select: readonly string[]): object {
  const names = select.map(propertyOf).filter((name) => name in row);
  return { ...Object.fromEntries(names.map((name) => [name, row[name]])), etag: row.etag };
}

/**
 * The entity as it is kept, without what is undefined; bytes are not copied, since nobody changes them. Whatever breaks a
 * limit breaks a promise.
 */
function checked(world: World, given: Record<string, unknown>): Written {
  const { partitionKey, rowKey } = given;
  const entity: Record<string, unknown> = {};
  let bytes = 0;
  let count = 0;
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || name === 'etag') continue;
    count += 1;
    // Attempts are few and short, however large what is attempted: they need not grow to meet their limit.
    const size = sizeOf(value) / (name === 'later' ? growth : 1);
    bytes += size + name.length * 2 + 8;
    entity[name] = value;
    if (size > propertyBytesMax || Number.isNaN(size)) {
      world.violated('limits are kept', `property ${name} of ${partitionKey} ${rowKey} is ${size} bytes`);
    }
  }
  if (bytes > entityBytesMax || count > propertiesMax) {
    world.violated('limits are kept', `${partitionKey} ${rowKey} has ${bytes} bytes, ${count} properties`);
  }
  for (const key of [partitionKey, rowKey]) {
    if (typeof key !== 'string' || key.length > keyCharsMax || forbiddenInKeys.test(key)) {
      world.violated('limits are kept', `${String(key)} is no key`);
    }
  }
  return { ...entity, partitionKey: String(partitionKey), rowKey: String(rowKey) };
}

/** Bytes of a property; NaN for what a table cannot hold. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length * 2;
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value === 'number') return Number.isFinite(value) ? 8 : Number.NaN;
  return typeof value === 'boolean' || typeof value === 'bigint' ? 8 : Number.NaN;
}

function checkTransaction(world: World, actions: readonly Action[]): void {
  const partitions = new Set(actions.map(([, entity]) => entity.partitionKey));
  const keys = new Set(actions.map(([, entity]) => entity.rowKey));
  let bytes = 0;
  for (const [, entity] of actions) {
    for (const value of Object.values(entity)) {
      // Binary travels in Base64.
      bytes += value instanceof Uint8Array ? (value.byteLength * 4) / 3 : sizeOf(value ?? '');
    }
  }
  const fits =
    actions.length > 0 &&
    actions.length <= transactionEntitiesMax &&
    bytes <= transactionBytesMax &&
    partitions.size === 1 &&
    keys.size === actions.length;
  if (!fits) world.violated('limits are kept', `a transaction of ${actions.length} entities, ${bytes} bytes`);
}

/** An entity in a line: without keys, version and bytes. */
function shown(entity: Entity | undefined): string {
  if (entity === undefined) return '';
  const { partitionKey: _, rowKey: __, etag: ___, ...rest } = entity;
  const parts = Object.entries(rest).map(([name, value]) =>
    value instanceof Uint8Array ? `${name}=${value.byteLength}B` : `${name}=${String(value).slice(0, 120)}`,
  );
  return `: ${parts.join(' ')}`;
}
