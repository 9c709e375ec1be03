import { failureOf } from '../delivery/verdict.ts';
import { parseCloudEvent } from '../events/cloud-event.ts';
import { isNestedDeeperThan } from '../shared/json.ts';
import type { OperateOptions } from './ports.ts';
import { OperateError } from './problem.ts';
import type { TestEventRequest } from './requests.ts';
import { subscriptionNamed } from './subscriptions.ts';

/** What a test event came to; `status`, `latencyMs` and `answer` are those of its one request. */
export interface TestEventOutcome {
  readonly subscription: string;
  readonly outcome: 'delivered' | 'failed' | 'filtered' | 'not-deliverable';
  /** Null when no answer came, or nothing was sent. */
  readonly status: number | null;
  readonly latencyMs: number | null;
  /** The beginning of the answer, or why none came. */
  readonly answer: string;
  readonly error?: string;
  /** The event that was made, before the subscription's transform. */
  readonly event: object;
}

/** No topic of a subscription has this name, so no receiver takes the `webhook-id` for one it knows. */
const testTopic = 'sluice.test';
/** Deeper data could not be written as JSON. */
const depthMax = 1_000;
const nothingSent = { status: null, latencyMs: null, answer: '' };

/**
 * Sends one synthetic CloudEvent as a subscription sends records: its filter, transform, form, signature, identity.
 * It is sent even while the subscription is paused, and touches neither topic nor checkpoint.
 */
export async function testEvent(
  options: OperateOptions,
  { subscription, event: given }: TestEventRequest,
): Promise<TestEventOutcome> {
  const { delivery } = subscriptionNamed(options, subscription);
  if (isNestedDeeperThan(given, depthMax)) {
    throw new OperateError('invalid-request', `event: must not nest more than ${depthMax} levels deep`);
  }
  const nowMs = options.clock.now();
  const event = {
    specversion: '1.0',
    id: options.newId(),
    source: '/sluice/test',
    type: 'sluice.test',
    time: new Date(nowMs).toISOString(),
    datacontenttype: 'application/json',
    ...('data_base64' in given ? {} : { data: { message: 'a test event of Sluice' } }),
    ...given,
  };
  const parsed = parseCloudEvent(event);
  if (!parsed.ok) {
    throw new OperateError('invalid-request', `event: ${parsed.problem.attribute} ${parsed.problem.message}`);
  }
  const preparation = await delivery.prepare({
    topic: testTopic,
    partition: 0,
    offset: BigInt(nowMs),
    key: null,
    value: JSON.stringify(event),
    timestampMs: BigInt(nowMs),
  });
  if (preparation.kind === 'filtered') {
    const error = "the subscription's filter takes it out; give the event what the filter looks for";
    return { subscription, outcome: 'filtered', ...nothingSent, error, event };
  }
  if (preparation.kind === 'failed') {
    const error = `${preparation.reason.code}: ${preparation.reason.message}`;
    return { subscription, outcome: 'not-deliverable', ...nothingSent, error, event };
  }
  const { attempt, verdict } = await delivery.attempt([preparation.prepared], 0);
  const { status, latencyMs, answer } = attempt;
  const error = failureOf(verdict);
  const shown = { subscription, status, latencyMs, answer, event };
  return error === undefined ? { ...shown, outcome: 'delivered' } : { ...shown, outcome: 'failed', error };
}
