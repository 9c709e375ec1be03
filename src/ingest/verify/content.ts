import { decodeUtf8, readJsonBody } from '../../events/json-body.ts';
import { isJson, parseMediaType } from '../../events/media-type.ts';
import type { Problem } from '../../shared/answer.ts';
import { problem } from '../problem.ts';
import type { WebhookRequest } from './provider.ts';

/** A body as the data of an event (cloudevents/spec, formats/json-format.md, section 3.1). */
export type Content =
  | { readonly datacontenttype: string; readonly data: unknown }
  | { readonly datacontenttype: string | undefined; readonly data_base64: string };

type ContentRead = { readonly content: Content } | { readonly problem: Problem };

/** The media type of HTML forms (URL Standard, section 5). */
export const formType = 'application/x-www-form-urlencoded';

/**
 * Reads a body: JSON as it is, the fields of a form as an object, anything else as bytes.
 *
 * @param payloadField the field in which the provider's forms carry JSON; where it is there, that JSON is the data.
 * @param depthMax arrays and objects inside one another that are taken.
 */
export function readContent(
  request: WebhookRequest,
  payloadField: string | undefined,
  depthMax: number,
): ContentRead {
  const contentType = request.header('content-type');
  const mediaType = parseMediaType(contentType);
  const unsupported = unsupportedDetail(request, mediaType.essence);
  if (unsupported !== undefined) return { problem: problem('unsupported-format', unsupported) };
  if (isJson(mediaType)) return readJson(request.body, depthMax, mediaType.essence);
  if (mediaType.essence !== formType) {
    return { content: { datacontenttype: contentType, data_base64: toBase64(request.body) } };
  }
  const text = decodeUtf8(request.body);
  if (text === undefined) return { problem: problem('malformed-body', 'the body is not UTF-8') };
  const fields = new URLSearchParams(text);
  const payload = payloadField === undefined ? null : fields.get(payloadField);
  return payload === null
    ? { content: { datacontenttype: 'application/json', data: toObject(fields) } }
    : readJson(Buffer.from(payload), depthMax, 'application/json');
}

function unsupportedDetail(request: WebhookRequest, essence: string): string | undefined {
  if (essence.startsWith('application/cloudevents')) {
    return `${essence} is taken at /api/events; webhooks are a provider's own format`;
  }
  const encoding = request.header('content-encoding')?.trim().toLowerCase() ?? 'identity';
  return encoding === 'identity' ? undefined : `content-encoding ${encoding} is not supported; send it plain`;
}

function readJson(bytes: Uint8Array, depthMax: number, datacontenttype: string): ContentRead {
  const read = readJsonBody(bytes, depthMax);
  return read.ok
    ? { content: { datacontenttype, data: read.value } }
    : { problem: problem(read.kind, read.detail) };
}

/** The fields of a form; one that comes several times is an array. */
function toObject(fields: URLSearchParams): unknown {
  return Object.fromEntries(
    [...new Set(fields.keys())].map((name) => {
      const values = fields.getAll(name);
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
