import { readFile } from 'node:fs/promises';
import type { CloudEvent } from '../events/cloud-event.ts';
import { compileFilter, describeMismatch, type EventFilter, type FilterTest } from '../events/filter.ts';
import { compileSelector, type Selector } from '../events/selector.ts';
import { compileTopic, type TopicOf } from '../events/topic.ts';
import { compileTransform, type Transform } from '../events/transform.ts';
import { quote, type ValueProblem } from '../events/value-problem.ts';
import { SluiceError } from '../shared/error.ts';
import { compileSchema, type DataCheck } from './json-schema.ts';
import { compilePartition, type PartitionOf } from './partition.ts';
import type { OutgoingRecord } from './ports.ts';

/**
 * From matching events to records. In this order: `source` and `filter` match, `schema` checks, `transform` changes,
 * and `topic`, `key`, `partition` and `value` see what the transform made.
 */
export interface Route {
  readonly name?: string | undefined;
  /** Only events that came in by this source. */
  readonly source?: string | undefined;
  readonly filter?: EventFilter | undefined;
  /** A JSON Schema for `data`, or the path of a file that holds one. */
  readonly schema?: string | Readonly<Record<string, unknown>> | undefined;
  /** A JSONata expression over the event whose result becomes `data`. */
  readonly transform?: string | undefined;
  /** A name, or a template such as `orders.{type}` or `orders.{/customer/region}`. */
  readonly topic: string;
  /** A selector: an attribute's name, or a JSON Pointer (RFC 6901) into `data`, which begins with a slash. */
  readonly key: string;
  /** A selector; its value must be a non-negative integer. */
  readonly partition?: string | undefined;
  /** The whole event (the default), or only its data. */
  readonly value?: 'cloudevents' | 'raw' | undefined;
  /** What becomes of an event that can be no record of this route. */
  readonly onInvalid?: 'reject' | { readonly topic: string } | undefined;
}

/**
 * What becomes of an event:
 * - `record`: it is to be written to `topic`. With `problems` it is invalid and the topic is that of `onInvalid`.
 * - `unrouted`: no route fits it.
 * - `filtered`: the transform of its route wants none of it.
 * - `invalid`: it can be no record of its route; sent again it would be so again.
 */
export type Routed =
  | {
      readonly kind: 'record';
      readonly route: Route;
      readonly topic: string;
      readonly record: OutgoingRecord;
      readonly problems?: readonly ValueProblem[];
    }
  | { readonly kind: 'unrouted' }
  | { readonly kind: 'filtered'; readonly route: Route }
  | { readonly kind: 'invalid'; readonly route: Route; readonly problems: readonly ValueProblem[] };

/** Whether a route fits an event: `mismatch` says why it does not. */
export interface Explanation {
  readonly route: Route;
  readonly mismatch?: string;
}

/** The compiled routes. */
export interface Router {
  /**
   * Routes an event: the first route that fits decides. A promise only when that route transforms.
   *
   * @param source the source by which the event came in, where it came by one.
   */
  route(event: CloudEvent, source?: string): Routed | Promise<Routed>;
  /** What each route says of an event, in their order. */
  explain(event: CloudEvent, source?: string): readonly Explanation[];
}

/** The extension attribute that says why an event lies in the topic of `onInvalid`. */
const rejectedReason = 'rejectedreason';

/** The routes cannot be used. The message lists everything that is wrong, a line each, by its path in the file. */
export class RoutesError extends SluiceError {
  constructor(problems: readonly string[]) {
    super({
      code: 'routes.invalid',
      message: `the routes cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
      retryable: false,
    });
  }
}

/**
 * Compiles routes. What checks schemas and what transforms is loaded only when a route needs it. The file of a
 * schema is found from the working directory, as bridge.config.json is.
 *
 * @throws {RoutesError} naming every schema and transform that does not compile.
 */
export async function prepareRouter(routes: readonly Route[]): Promise<Router> {
  const problems: string[] = [];
  const prepared: PreparedRoute[] = [];
  for (const [index, route] of routes.entries()) {
    prepared.push(
      await prepare(route, (field, message) => problems.push(`routes.${index}.${field}: ${message}`)),
    );
  }
  if (problems.length > 0) throw new RoutesError(problems);
  return {
    route: (event, source) => {
      for (const candidate of prepared) {
        if (cameBy(candidate.route, source) && candidate.test?.(event) === undefined) {
          return apply(candidate, event);
        }
      }
      return { kind: 'unrouted' };
    },
    explain: (event, source) => prepared.map((candidate) => explain(candidate, event, source)),
  };
}

/** The topics that routes name outright, and not by a template over what senders choose. */
export function fixedTopics(routes: readonly Route[]): string[] {
  return routes
    .flatMap(({ topic, onInvalid }) => (typeof onInvalid === 'object' ? [topic, onInvalid.topic] : [topic]))
    .filter((topic) => !topic.includes('{'));
}

interface PreparedRoute {
  readonly route: Route;
  readonly test: FilterTest | undefined;
  readonly check: DataCheck | undefined;
  readonly transform: Transform | undefined;
  readonly topic: TopicOf;
  readonly key: Selector;
  readonly partition: PartitionOf | undefined;
}

async function prepare(
  route: Route,
  complain: (field: 'schema' | 'transform', message: string) => void,
): Promise<PreparedRoute> {
  const { filter, schema, transform, partition } = route;
  const attempt = async <T>(field: 'schema' | 'transform', compiling: Promise<T>) => {
    try {
      return await compiling;
    } catch (error) {
      complain(field, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  return {
    route,
    test: filter && compileFilter(filter),
    check: schema === undefined ? undefined : await attempt('schema', checkOf(schema)),
    transform: transform === undefined ? undefined : await attempt('transform', compileTransform(transform)),
    topic: compileTopic(route.topic),
    key: compileSelector(route.key),
    partition: partition === undefined ? undefined : compilePartition(partition),
  };
}

async function checkOf(schema: string | Readonly<Record<string, unknown>>): Promise<DataCheck> {
  if (typeof schema !== 'string') return compileSchema(schema);
  return compileSchema(JSON.parse(await readFile(schema, 'utf8')));
}

function cameBy(route: Route, source: string | undefined): boolean {
  return route.source === undefined || route.source === source;
}

function explain({ route, test }: PreparedRoute, event: CloudEvent, source: string | undefined): Explanation {
  if (!cameBy(route, source)) {
    const came = source === undefined ? 'the event came by none' : `the event came by ${quote(source)}`;
    return { route, mismatch: `only for events by the source ${quote(route.source)}, but ${came}` };
  }
  const mismatch = test?.(event);
  return mismatch === undefined ? { route } : { route, mismatch: describeMismatch(mismatch) };
}

function apply(prepared: PreparedRoute, event: CloudEvent): Routed | Promise<Routed> {
  const problems = prepared.check?.(event.data);
  if (problems !== undefined) return refuse(prepared, event, problems);
  if (prepared.transform === undefined) return toRecord(prepared, event, event);
  return applyTransform(prepared, prepared.transform, event);
}

async function applyTransform(
  prepared: PreparedRoute,
  transform: Transform,
  event: CloudEvent,
): Promise<Routed> {
  const transformed = await transform(event);
  switch (transformed.kind) {
    case 'event':
      return toRecord(prepared, transformed.event, event);
    case 'filtered':
      return { kind: 'filtered', route: prepared.route };
    case 'failed':
      return refuse(prepared, event, [{ path: 'data', message: transformed.message }]);
  }
}

function toRecord(prepared: PreparedRoute, event: CloudEvent, original: CloudEvent): Routed {
  const { route } = prepared;
  const topic = prepared.topic(event);
  if (typeof topic !== 'string') return refuse(prepared, original, [topic]);

  const data = event.data === undefined ? event.data_base64 : event.data;
  const value: unknown = route.value === 'raw' ? data : event;
  if (value === undefined) {
    const message = 'is missing, but the route writes nothing else';
    return refuse(prepared, original, [{ path: 'data', message }]);
  }

  const key = prepared.key(event);
  const keyed: OutgoingRecord = key === undefined ? { value } : { value, key };
  if (prepared.partition === undefined) return { kind: 'record', route, topic, record: keyed };

  const partition = prepared.partition(event);
  if (typeof partition !== 'number') return refuse(prepared, original, [partition]);
  return { kind: 'record', route, topic, record: { ...keyed, partition } };
}

/** An invalid event is written as it came, in whole, with the reason: the topic it goes to is for people to read. */
function refuse(
  { route, key: keyOf }: PreparedRoute,
  event: CloudEvent,
  problems: readonly ValueProblem[],
): Routed {
  const { onInvalid = 'reject' } = route;
  if (onInvalid === 'reject') return { kind: 'invalid', route, problems };
  const reason = problems.map(({ path, message }) => `${path} ${message}`).join('; ');
  // What the String type of CloudEvents forbids may be part of what was wrong.
  const value = { ...event, [rejectedReason]: reason.replace(/\p{Cc}/gu, '\ufffd').toWellFormed() };
  const key = keyOf(event);
  const record: OutgoingRecord = key === undefined ? { value } : { value, key };
  return { kind: 'record', route, topic: onInvalid.topic, record, problems };
}
