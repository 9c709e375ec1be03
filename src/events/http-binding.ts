import { type CloudEvent, type EventProblem, parseCloudEvent, structuredContentType } from './cloud-event.ts';
import { decodeUtf8, readJsonBody } from './json-body.ts';
import { isJson, isUtf8, type MediaType, parseMediaType } from './media-type.ts';

/** The headers of a request, such as the platform's `Headers`: listed with names in lower case, found by any case. */
export interface HttpHeaders extends Iterable<readonly [name: string, value: string]> {
  get(name: string): string | null;
}

/** What is read of an untrusted request, and no further. */
export interface EventLimits {
  /** Events in a batch. */
  readonly eventsMax: number;
  /** Arrays and objects inside one another, counted from the body's outermost. */
  readonly depthMax: number;
  /** Names and values of all `ce-` headers together, as they came. */
  readonly attributesBytesMax: number;
}

/** The events of a request, or why none of it is taken. */
export type CloudEventsRead =
  | {
      readonly ok: true;
      readonly mode: 'structured' | 'binary' | 'batch';
      readonly events: readonly CloudEvent[];
    }
  | Refusal;

/** Why a request is not taken; `detail` names the attribute at fault and what would be right. */
export interface Refusal {
  readonly ok: false;
  readonly kind:
    | 'unsupported-format'
    | 'malformed-body'
    | 'invalid-event'
    | 'attributes-too-large'
    | 'too-many-events'
    | 'too-deep';
  readonly detail: string;
}

/** The media type of several events in a JSON array (json-format.md, section 4). */
export const batchContentType = 'application/cloudevents-batch+json';

/**
 * Reads the CloudEvents of an HTTP request in any of the three content modes (cloudevents/spec 1.0.2,
 * bindings/http-protocol-binding.md, section 3): a content type that begins with `application/cloudevents` means
 * structured or batched, else a `ce-specversion` header means binary.
 *
 * @returns undefined when the request is of no mode, so is no CloudEvent.
 */
export function readCloudEvents(request: {
  readonly headers: HttpHeaders;
  readonly body: Uint8Array;
  readonly limits: EventLimits;
}): CloudEventsRead | undefined {
  const { headers, body, limits } = request;
  const contentType = headers.get('content-type') ?? undefined;
  const mediaType = parseMediaType(contentType);
  if (mediaType.essence.startsWith('application/cloudevents')) return readFormat(mediaType, body, limits);
  if (headers.get('ce-specversion') === null) return undefined;
  return readBinary(headers, contentType, body, limits);
}

function readFormat(mediaType: MediaType, body: Uint8Array, limits: EventLimits): CloudEventsRead {
  const { essence } = mediaType;
  if (essence !== structuredContentType && essence !== batchContentType) {
    const detail = `the format ${essence} is not supported; ${structuredContentType} and ${batchContentType} are`;
    return refuse('unsupported-format', detail);
  }
  if (!isUtf8(mediaType)) return refuse('unsupported-format', unsupportedCharset(mediaType));
  const json = readJsonBody(body, limits.depthMax);
  if (!json.ok) return json;
  if (essence === batchContentType) return readBatch(json.value, limits.eventsMax);
  const parsed = parseCloudEvent(json.value);
  return parsed.ok
    ? { ok: true, mode: 'structured', events: [parsed.event] }
    : refuse('invalid-event', sentence(parsed.problem));
}

function readBatch(value: unknown, eventsMax: number): CloudEventsRead {
  if (!Array.isArray(value)) return refuse('malformed-body', 'a batch must be a JSON array of events');
  if (value.length > eventsMax) {
    return refuse('too-many-events', `${value.length} events; at most ${eventsMax} are taken in one batch`);
  }
  const events: CloudEvent[] = [];
  for (const [index, item] of value.entries()) {
    const parsed = parseCloudEvent(item);
    if (!parsed.ok) return refuse('invalid-event', `events[${index}]: ${sentence(parsed.problem)}`);
    events.push(parsed.event);
  }
  return { ok: true, mode: 'batch', events };
}

function readBinary(
  headers: HttpHeaders,
  contentType: string | undefined,
  body: Uint8Array,
  { attributesBytesMax, depthMax }: EventLimits,
): CloudEventsRead {
  const attributes: [string, string][] = [];
  let bytes = 0;
  for (const [header, raw] of headers) {
    if (!header.startsWith(attributePrefix)) continue;
    bytes += header.length + raw.length;
    if (bytes > attributesBytesMax) {
      const detail = `the ce- headers are larger than ${attributesBytesMax} bytes`;
      return refuse('attributes-too-large', detail);
    }
    const name = header.slice(attributePrefix.length);
    if (Object.hasOwn(notAsHeader, name)) return refuse('invalid-event', `${header} ${notAsHeader[name]}`);
    const decoded = decodeHeaderValue(raw);
    if ('problem' in decoded) return refuse('invalid-event', `${header} ${decoded.problem}`);
    attributes.push([name, decoded.value]);
  }
  if (contentType !== undefined) attributes.push(['datacontenttype', contentType]);
  const parsed = parseCloudEvent(Object.fromEntries(attributes));
  if (!parsed.ok) {
    const { attribute, message } = parsed.problem;
    const header = attribute === 'datacontenttype' ? 'content-type' : attributePrefix + attribute;
    return refuse('invalid-event', `${header} ${message}`);
  }
  const data = readData(body, contentType, depthMax);
  return data.ok ? { ok: true, mode: 'binary', events: [{ ...parsed.event, ...data.members }] } : data;
}

const attributePrefix = 'ce-';

/** Members of the JSON format that have another place in binary mode (HTTP binding, section 3.1.1 and 3.1.2). */
const notAsHeader: Readonly<Record<string, string>> = {
  datacontenttype: 'must not be sent: content-type says it',
  data: 'must not be sent: the body is the data',
  data_base64: 'must not be sent: the body is the data',
};

/** The member for the body, none if it is empty: JSON and UTF-8 text stay readable, all else stays bytes. */
function readData(
  body: Uint8Array,
  contentType: string | undefined,
  depthMax: number,
): { readonly ok: true; readonly members: Pick<CloudEvent, 'data' | 'data_base64'> } | Refusal {
  if (body.byteLength === 0) return { ok: true, members: {} };
  const mediaType = parseMediaType(contentType);
  if (isJson(mediaType)) {
    if (!isUtf8(mediaType)) return refuse('unsupported-format', unsupportedCharset(mediaType));
    const json = readJsonBody(body, depthMax);
    return json.ok ? { ok: true, members: { data: json.value } } : json;
  }
  const text = mediaType.essence.startsWith('text/') && isUtf8(mediaType) ? decodeUtf8(body) : undefined;
  if (text !== undefined) return { ok: true, members: { data: text } };
  return { ok: true, members: { data_base64: Buffer.from(body).toString('base64') } };
}

/**
 * The attribute value of a header (HTTP binding, section 3.1.3.2): a double-quoted value is unescaped first, as
 * older senders wrote it, then percent-decoded exactly once. `decodeURIComponent` refuses what is not UTF-8.
 */
function decodeHeaderValue(raw: string): { readonly value: string } | { readonly problem: string } {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(raw)?.[1];
  const text = quoted === undefined ? raw : quoted.replace(/\\(.)/g, '$1');
  if (quoted === undefined && raw.includes('"')) {
    return { problem: 'holds a double quote: write it as %22' };
  }
  if (!/^[\x20-\x7e]*$/.test(text)) {
    return { problem: 'holds other characters than printable ASCII: percent-encode their UTF-8' };
  }
  try {
    return { value: decodeURIComponent(text) };
  } catch {
    return {
      problem: 'is not percent-encoded UTF-8: every % begins an encoded byte, such as %25 for % itself',
    };
  }
}

function unsupportedCharset({ essence, charset }: MediaType): string {
  return `charset ${charset} is not supported; send ${essence} as UTF-8`;
}

/** An attribute's name may be as long as the body. */
const nameShownCharsMax = 64;

function sentence({ attribute, message }: EventProblem): string {
  return `${attribute.slice(0, nameShownCharsMax)} ${message}`;
}

function refuse(kind: Refusal['kind'], detail: string): Refusal {
  return { ok: false, kind, detail };
}
