import { attributeOf, type CloudEvent } from './cloud-event.ts';

/**
 * Which events are meant: the dialects of the CloudEvents Subscriptions API (cloudevents/spec,
 * subscriptions/spec.md, section 3.2.4). `exact`, `prefix` and `suffix` hold when every attribute named fits;
 * `all`, `any` and `not` combine filters.
 */
export type EventFilter =
  | { readonly exact: Readonly<Record<string, string>> }
  | { readonly prefix: Readonly<Record<string, string>> }
  | { readonly suffix: Readonly<Record<string, string>> }
  | { readonly all: readonly EventFilter[] }
  | { readonly any: readonly EventFilter[] }
  | { readonly not: EventFilter };

/** Whether `event` is among those that `filter` means. An attribute that the event lacks fits nothing. */
export function matches(filter: EventFilter, event: CloudEvent): boolean {
  if ('exact' in filter) return everyAttribute(filter.exact, event, (value, wanted) => value === wanted);
  if ('prefix' in filter)
    return everyAttribute(filter.prefix, event, (value, wanted) => value.startsWith(wanted));
  if ('suffix' in filter)
    return everyAttribute(filter.suffix, event, (value, wanted) => value.endsWith(wanted));
  if ('all' in filter) return filter.all.every((part) => matches(part, event));
  if ('any' in filter) return filter.any.some((part) => matches(part, event));
  return !matches(filter.not, event);
}

function everyAttribute(
  wanted: Readonly<Record<string, string>>,
  event: CloudEvent,
  fits: (value: string, wanted: string) => boolean,
): boolean {
  return Object.entries(wanted).every(([name, text]) => {
    const value = attributeOf(event, name);
    return value !== undefined && fits(value, text);
  });
}
