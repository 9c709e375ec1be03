import { type CloudEvent, structuredContentType } from '../events/cloud-event.ts';
import {
  batchContentType,
  type EventLimits,
  type HttpHeaders,
  readCloudEvents,
} from '../events/http-binding.ts';
import { readJsonBody } from '../events/json-body.ts';
import { isJson, isUtf8, parseMediaType } from '../events/media-type.ts';
import type { Problem } from '../shared/answer.ts';
import { problem } from './problem.ts';

/** What an HTTP request brought, before anything of it is believed. */
interface UnreadRequest {
  readonly headers: HttpHeaders;
  readonly body: Uint8Array;
  /** The source named in the URL, if any, and the type that its plain JSON gets. */
  readonly source: { readonly name: string; readonly type: string } | undefined;
}

/** What reading needs. */
interface ReadOptions {
  readonly limits: EventLimits;
  /** The id of an event that is made of plain JSON. */
  readonly newId: () => string;
  readonly now: () => number;
}

/** The events of a request, in its order and possibly none, or why it is refused. */
type EventsRead = { readonly events: readonly CloudEvent[] } | { readonly problem: Problem };

/**
 * Reads the events of a request: CloudEvents in structured, binary or batched mode, or plain JSON, which becomes
 * the data of one new event. One event that is wrong refuses the whole request.
 */
export function readEvents(options: ReadOptions, request: UnreadRequest): EventsRead {
  const { headers, body } = request;
  const read = readCloudEvents({ headers, body, limits: options.limits });
  if (read === undefined) return readPlainJson(options, request);
  return read.ok ? { events: read.events } : { problem: problem(read.kind, read.detail) };
}

function readPlainJson(
  { limits, newId, now }: ReadOptions,
  { headers, body, source }: UnreadRequest,
): EventsRead {
  const mediaType = parseMediaType(headers.get('content-type') ?? undefined);
  if (!isJson(mediaType)) return { problem: unsupported(mediaType.essence) };
  if (!isUtf8(mediaType)) {
    const detail = `charset ${mediaType.charset} is not supported; send JSON as UTF-8`;
    return { problem: problem('unsupported-format', detail) };
  }
  const json = readJsonBody(body, limits.depthMax);
  if (!json.ok) return { problem: problem(json.kind, json.detail) };
  if (source === undefined) {
    const detail =
      'plain JSON is taken at /api/events/{source} only; a CloudEvent needs no source in the URL';
    return { problem: problem('unknown-source', detail) };
  }
  const event: CloudEvent = {
    specversion: '1.0',
    id: newId(),
    source: `/sources/${source.name}`,
    type: source.type,
    time: new Date(now()).toISOString(),
    datacontenttype: 'application/json',
    data: json.value,
  };
  return { events: [event] };
}

function unsupported(essence: string): Problem {
  const supported = `${structuredContentType}, ${batchContentType}, any type with ce- headers, and application/json (plain data)`;
  return problem(
    'unsupported-format',
    `content-type ${essence || '(none)'} is not supported; ${supported} are`,
  );
}
