import { isRawNumber } from '../shared/json.ts';

/**
 * A CloudEvent 1.0 in the shape of its JSON format (cloudevents/spec, formats/json-format.md): the form in which
 * every event travels inside the bridge and, by default, in a record's value. Extension attributes stand beside
 * the others, as they do on the wire.
 */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  /** A URI-reference. */
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly datacontenttype?: string;
  /** An absolute URI. */
  readonly dataschema?: string;
  readonly data?: unknown;
  readonly data_base64?: string;
  readonly [extension: string]: unknown;
}

/** Why a value is not a CloudEvent: the attribute that is wrong and what would be right. */
export interface EventProblem {
  readonly attribute: string;
  readonly message: string;
}

/** The event, or the first attribute that breaks a rule. */
export type ParsedEvent =
  | { readonly ok: true; readonly event: CloudEvent }
  | { readonly ok: false; readonly problem: EventProblem };

/** The media type of one event in structured mode (json-format.md, section 3). */
export const structuredContentType = 'application/cloudevents+json';

/**
 * Reads one event of the JSON format, as untrusted input: every rule of the specification's attribute types
 * holds, or the answer names the attribute that breaks one. Attributes that are null count as absent
 * (json-format.md, section 2.2).
 */
export function parseCloudEvent(value: unknown): ParsedEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse('(event)', 'must be a JSON object');
  }
  const event = withoutNulls(value as Readonly<Record<string, unknown>>);
  for (const name of requiredAttributes) {
    if (!Object.hasOwn(event, name)) return refuse(name, 'is required');
  }
  if (Object.hasOwn(event, 'data') && Object.hasOwn(event, 'data_base64')) {
    return refuse('data_base64', 'must not stand beside data');
  }
  for (const name of Object.keys(event)) {
    const message = problemOf(name, event[name]);
    if (message !== undefined) return refuse(name, message);
  }
  return { ok: true, event: event as unknown as CloudEvent };
}

/** Most events have no null and are taken as they are. */
function withoutNulls(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const isAbsent = (name: string) => value[name] === null && name !== 'data';
  if (!Object.keys(value).some(isAbsent)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !isAbsent(name)));
}

/**
 * The text of an attribute: a string as it is, a boolean or integer in its canonical form
 * (cloudevents/spec, section "Type System"); undefined when the event does not have it.
 */
export function attributeOf(event: CloudEvent, name: string): string | undefined {
  if (name === 'data' || name === 'data_base64') return undefined;
  const value = Object.hasOwn(event, name) ? event[name] : undefined;
  return value === undefined ? undefined : String(value);
}

const requiredAttributes = ['specversion', 'id', 'source', 'type'];

const rules: Readonly<Record<string, (value: string) => string | undefined>> = {
  specversion: (value) => (value === '1.0' ? undefined : 'must be "1.0"'),
  id: nonEmpty,
  source: (value) => nonEmpty(value) ?? uriReference(value),
  type: nonEmpty,
  subject: nonEmpty,
  time: (value) =>
    isTimestamp(value) ? undefined : 'must be an RFC 3339 timestamp such as 2026-01-31T12:00:00Z',
  datacontenttype: (value) =>
    value.length <= mediaTypeCharsMax && mediaType.test(value)
      ? undefined
      : 'must be a media type such as application/json',
  dataschema: (value) =>
    URL.canParse(value) && uriReference(value) === undefined ? undefined : 'must be an absolute URI',
  data_base64: (value) =>
    value.length % 4 === 0 && base64.test(value) ? undefined : 'must be Base64 (RFC 4648)',
};

// Spec, section "Attribute Naming Conventions".
const extensionName = /^[a-z0-9]+$/;
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;\s*[\w!#$&^.+-]+=("[^"]*"|[^\s;"]+))*$/;
const mediaTypeCharsMax = 1_024;
/** No repeated group: on megabytes of text one overflows the stack of the regular expression engine. */
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** U+0000 to U+001F and U+007F to U+009F. */
const controlCharacter = /\p{Cc}/u;
const timestamp =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

function problemOf(name: string, value: unknown): string | undefined {
  if (name === 'data') return undefined;
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule !== undefined) {
    if (typeof value !== 'string') return 'must be a string';
    return rule(value) ?? forbiddenCharacters(value);
  }
  if (!extensionName.test(name)) return 'is no attribute name: only a-z and 0-9 are allowed';
  if (typeof value === 'boolean') return undefined;
  if (typeof value === 'string') return forbiddenCharacters(value);
  if (typeof value === 'number' && value === (value | 0)) return undefined;
  if (typeof value === 'number' || isRawNumber(value)) return 'must be a 32-bit integer, or a string';
  return 'must be a string, a boolean or an integer';
}

function nonEmpty(value: string): string | undefined {
  return value === '' ? 'must not be empty' : undefined;
}

function uriReference(value: string): string | undefined {
  return /[\s<>"{}|\\^`]/.test(value) || /%(?![0-9A-Fa-f]{2})/.test(value)
    ? 'must be a URI-reference (RFC 3986)'
    : undefined;
}

/** Control characters and lone surrogates are outside the String type (spec, "Type System"). */
function forbiddenCharacters(value: string): string | undefined {
  if (controlCharacter.test(value)) return 'must not contain control characters';
  return value.isWellFormed() ? undefined : 'must not contain lone surrogates';
}

function isTimestamp(value: string): boolean {
  const [, year, month, day] = timestamp.exec(value) ?? [];
  if (year === undefined) return false;
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day);
}

function refuse(attribute: string, message: string): ParsedEvent {
  return { ok: false, problem: { attribute, message } };
}
