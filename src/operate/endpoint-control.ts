import { activeEndpoint, type EndpointState, stopEndpoint } from '../drain/endpoint-state.ts';
import { isoOf } from './iso-time.ts';
import type { OperateOptions } from './ports.ts';
import { OperateError } from './problem.ts';
import { subscriptionNamed } from './subscriptions.ts';

/** Writes that may be refused, each because somebody else wrote first, before an operation is given up. */
const writesMax = 20;

/** A subscription's state before and after an operation. */
export interface EndpointChange {
  readonly subscription: string;
  readonly before: EndpointView;
  readonly now: EndpointView;
}

/** An endpoint's state as an operator reads it; times are RFC 3339. */
export interface EndpointView {
  readonly state: EndpointState['state'];
  /** Null as long as it never changed. */
  readonly since: string | null;
  readonly why: string;
  /** Of a broken endpoint: when one record may be tried. */
  readonly probeAt: string | null;
  /** How often in a row the circuit was opened. */
  readonly openings: number;
}

/** Shows an endpoint's state; without one, nothing ever happened to it. */
export function viewEndpoint(endpoint: EndpointState | undefined): EndpointView {
  if (endpoint === undefined) return { state: 'active', since: null, why: '', probeAt: null, openings: 0 };
  const { state, sinceMs, why, probeAtMs, openings } = endpoint;
  return { state, since: isoOf(sinceMs), why, probeAt: isoOf(probeAtMs), openings };
}

/** Stops deliveries of a subscription. One that has stopped already stays as it is, with its reason. */
export function pause(
  options: OperateOptions,
  { subscription, why }: { readonly subscription: string; readonly why: string },
): Promise<EndpointChange> {
  return change(options, subscription, (endpoint, nowMs) =>
    endpoint.state === 'paused' || endpoint.state === 'disabled'
      ? endpoint
      : stopEndpoint(endpoint, 'paused', { why, nowMs }),
  );
}

/** Lets deliveries of a subscription go on, whatever stopped them. */
export function resume(
  options: OperateOptions,
  { subscription }: { readonly subscription: string },
): Promise<EndpointChange> {
  return change(options, subscription, (endpoint, nowMs) =>
    endpoint.state === 'active' ? endpoint : activeEndpoint(subscription, nowMs),
  );
}

async function change(
  options: OperateOptions,
  subscription: string,
  next: (endpoint: EndpointState, nowMs: number) => EndpointState,
): Promise<EndpointChange> {
  subscriptionNamed(options, subscription);
  const { checkpoints, clock, report } = options;
  for (let writes = 0; writes < writesMax; writes += 1) {
    const stored = await checkpoints.readEndpoint(subscription);
    const before = stored?.endpoint ?? activeEndpoint(subscription, clock.now());
    const now = next(before, clock.now());
    const unchanged = now === before;
    const written =
      unchanged ||
      (stored === undefined
        ? await checkpoints.createEndpoint(now)
        : await checkpoints.replaceEndpoint(now, stored.version)) !== undefined;
    if (!written) continue;
    if (!unchanged) {
      report.warn('operate.endpoint', { subscription, before: before.state, now: now.state, why: now.why });
    }
    const shown = unchanged ? stored?.endpoint : now;
    return { subscription, before: viewEndpoint(stored?.endpoint), now: viewEndpoint(shown) };
  }
  throw new OperateError(
    'contended',
    `the state of ${subscription} was written by others ${writesMax} times; ask again`,
  );
}
