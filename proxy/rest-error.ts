import { SluiceError } from '../src/shared/error.ts';

/**
 * Everything the proxy refuses, with its HTTP status and the `error_code` in the answer: Kafka's protocol error
 * code where Kafka names the case, else the HTTP status again.
 *
 * Source: https://kafka.apache.org/protocol#protocol_error_codes
 */
const restErrors = {
  offset_out_of_range: { status: 400, errorCode: 1 },
  invalid_topic_name: { status: 400, errorCode: 17 },
  topic_already_exists: { status: 400, errorCode: 36 },
  invalid_request: { status: 400, errorCode: 42 },
  unauthenticated: { status: 401, errorCode: 401 },
  not_a_member: { status: 403, errorCode: 403 },
  unknown_topic_or_partition: { status: 404, errorCode: 3 },
  unknown_path: { status: 404, errorCode: 404 },
  method_not_allowed: { status: 405, errorCode: 405 },
  body_too_large: { status: 413, errorCode: 413 },
  failed: { status: 500, errorCode: -1 },
  issuer_unreachable: { status: 503, errorCode: 503 },
} as const;

/** Why a call is refused: a key of the table above. */
export type RestErrorCode = keyof typeof restErrors;

/** A call the proxy refuses; `message` is shown to the caller. */
export class RestError extends SluiceError {
  readonly status: number;
  readonly errorCode: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RestErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    const { status, errorCode } = restErrors[code];
    super({ code, message, retryable: status >= 500 });
    this.status = status;
    this.errorCode = errorCode;
    this.headers = headers;
  }
}

/** A body or parameter that is not what the operation takes. */
export function invalidRequest(message: string): RestError {
  return new RestError('invalid_request', message);
}
