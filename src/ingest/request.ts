import { type CloudEvent, parseCloudEvent, structuredContentType } from '../events/cloud-event.ts';
import { parseJson } from '../shared/json.ts';
import { type Problem, problem } from './problem.ts';

/** What an HTTP request brought, before anything of it is believed. */
export interface EventRequest {
  readonly contentType: string | undefined;
  readonly body: string;
  /** The source named in the URL, if any, and the type that its plain JSON gets. */
  readonly source: { readonly name: string; readonly type: string } | undefined;
  /** True when the request carries `ce-specversion`, which makes it a CloudEvent in binary mode. */
  readonly binaryMode: boolean;
}

/** What a request without an event of its own gets. */
export interface EventDefaults {
  readonly id: string;
  readonly nowMs: number;
}

/**
 * Reads the event of a request: a CloudEvent in structured mode (HTTP binding, section 3.2), or plain JSON, which
 * becomes the data of a new event.
 */
export function readEvent(
  request: EventRequest,
  defaults: EventDefaults,
): { readonly event: CloudEvent } | { readonly problem: Problem } {
  const mediaType = request.contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  const structured = mediaType === structuredContentType;
  if (request.binaryMode || !(structured || isPlainJson(mediaType))) {
    return { problem: unsupported(request, mediaType) };
  }
  let json: unknown;
  try {
    json = parseJson(request.body);
  } catch (error) {
    const detail = `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`;
    return { problem: problem('malformed-body', detail) };
  }
  if (!structured) return wrap(json, request, defaults);
  const parsed = parseCloudEvent(json);
  if (parsed.ok) return { event: parsed.event };
  const { attribute, message } = parsed.problem;
  return { problem: problem('invalid-event', `${attribute} ${message}`) };
}

function isPlainJson(mediaType: string): boolean {
  if (mediaType.startsWith('application/cloudevents')) return false;
  return mediaType === 'application/json' || mediaType.endsWith('+json');
}

function wrap(
  data: unknown,
  { source }: EventRequest,
  { id, nowMs }: EventDefaults,
): { event: CloudEvent } | { problem: Problem } {
  if (source === undefined) {
    const detail =
      'plain JSON is taken at /api/events/{source} only; a CloudEvent needs no source in the URL';
    return { problem: problem('unknown-source', detail) };
  }
  return {
    event: {
      specversion: '1.0',
      id,
      source: `/sources/${source.name}`,
      type: source.type,
      time: new Date(nowMs).toISOString(),
      datacontenttype: 'application/json',
      data,
    },
  };
}

function unsupported({ binaryMode }: EventRequest, mediaType: string): Problem {
  const supported = `${structuredContentType} (one event) and application/json (plain data) are supported`;
  if (binaryMode) return problem('unsupported-format', `binary mode is not supported; ${supported}`);
  if (mediaType === 'application/cloudevents-batch+json') {
    return problem('unsupported-format', `batches are not supported; ${supported}`);
  }
  return problem(
    'unsupported-format',
    `content-type ${mediaType || '(none)'} is not supported; ${supported}`,
  );
}
