import { SluiceError } from '../shared/error.ts';

/**
 * A call to the Kafka REST proxy failed. Codes are stable:
 *
 * | code | when | retryable |
 * |---|---|---|
 * | `kafka-rest.unreachable` | no answer came | yes |
 * | `kafka-rest.unauthorized` | 401, after one refresh of the token | no |
 * | `kafka-rest.forbidden` | 403: the identity is outside the proxy's security group | no |
 * | `kafka-rest.not-found` | 404: no such topic or partition | no |
 * | `kafka-rest.refused` | any other 4xx | no |
 * | `kafka-rest.throttled` | 429 | yes |
 * | `kafka-rest.failed` | 408, 5xx | yes |
 * | `kafka-rest.record-failed` | the proxy took the call, but not this record | yes |
 * | `kafka-rest.unreadable` | an answer that is not of the contract | yes |
 * | `kafka-rest.not-listed` | a topic was not listed in time | yes |
 */
export class KafkaRestError extends SluiceError {
  /** The status of the answer; undefined when none came. */
  readonly status: number | undefined;
  /** The proxy's own `error_code`, where its answer had one. */
  readonly proxyCode: number | undefined;
  /** True when the proxy surely did not act on the call, so that repeating it cannot duplicate anything. */
  readonly notTaken: boolean;
  /** How long the proxy asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(details: {
    code: KafkaRestErrorCode;
    message: string;
    retryable: boolean;
    notTaken: boolean;
    status?: number | undefined;
    proxyCode?: number | undefined;
    retryAfterMs?: number | undefined;
    cause?: unknown;
  }) {
    super(details);
    this.status = details.status;
    this.proxyCode = details.proxyCode;
    this.notTaken = details.notTaken;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Why a call of the proxy, or one record of it, failed. */
export type KafkaRestErrorCode =
  | 'kafka-rest.unreachable'
  | 'kafka-rest.unauthorized'
  | 'kafka-rest.forbidden'
  | 'kafka-rest.not-found'
  | 'kafka-rest.refused'
  | 'kafka-rest.throttled'
  | 'kafka-rest.failed'
  | 'kafka-rest.record-failed'
  | 'kafka-rest.unreadable'
  | 'kafka-rest.not-listed';
