import { attributeOf, type CloudEvent } from '../events/cloud-event.ts';
import { type EventFilter, matches } from '../events/filter.ts';
import { isRawNumber } from '../shared/json.ts';
import type { OutgoingRecord } from './ports.ts';

/** From matching events to a topic and a key. */
export interface Route {
  readonly name?: string | undefined;
  /** Only events that came in by this source. */
  readonly source?: string | undefined;
  readonly filter?: EventFilter | undefined;
  readonly topic: string;
  /** An attribute's name, or a JSON Pointer (RFC 6901) into `data`, which begins with a slash. */
  readonly key: string;
}

/** The first route that fits an event; routes are ordered. */
export function chooseRoute(
  routes: readonly Route[],
  event: CloudEvent,
  source: string | undefined,
): Route | undefined {
  return routes.find(
    (route) =>
      (route.source === undefined || route.source === source) &&
      (route.filter === undefined || matches(route.filter, event)),
  );
}

/** The record of an event: the whole event, since the REST proxy keeps no headers, and the key where there is one. */
export function toRecord(event: CloudEvent, route: Route): OutgoingRecord {
  const key = route.key.startsWith('/') ? atPointer(event.data, route.key) : attributeOf(event, route.key);
  return key === undefined ? { value: event } : { value: event, key };
}

/** The scalar that a JSON Pointer leads to, as text; undefined when there is none. */
export function atPointer(document: unknown, pointer: string): string | undefined {
  let value: unknown = document;
  for (const token of pointer.slice(1).split('/')) {
    if (typeof value !== 'object' || value === null) return undefined;
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return isRawNumber(value) ? value.rawJSON : undefined;
}
