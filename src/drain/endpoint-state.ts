import { assert } from '../shared/assert.ts';

/**
 * Whether records of a subscription go out, which all instances share.
 *
 * An endpoint begins *active*. Too many failures make it *broken*: nothing is attempted until `probeAtMs`, then one
 * run takes the probe (which moves `probeAtMs` on, so that no other run does) and sends one record; its success makes
 * the endpoint active again, its failure keeps it broken for longer. An operator *pauses* and resumes it, and so does
 * the loss policy `halt`. A 410 from the receiver makes it *disabled* until an operator resumes it.
 */
export interface EndpointState {
  readonly subscription: string;
  readonly state: 'active' | 'paused' | 'broken' | 'disabled';
  /** When it came into this state (milliseconds since the epoch). */
  readonly sinceMs: number;
  /** Why, in words for an operator; empty while active. */
  readonly why: string;
  /** While broken: no attempt before this (milliseconds since the epoch); else 0. */
  readonly probeAtMs: number;
  /** How often in a row it was found broken; 0 while active. */
  readonly openings: number;
}

/** The state that an endpoint begins in, and that it comes back to when it recovers or is resumed. */
export function activeEndpoint(subscription: string, nowMs: number): EndpointState {
  return { subscription, state: 'active', sinceMs: nowMs, why: '', probeAtMs: 0, openings: 0 };
}

/** Stops deliveries until an operator resumes them. */
export function stopEndpoint(
  endpoint: EndpointState,
  state: 'paused' | 'disabled',
  { why, nowMs }: { readonly why: string; readonly nowMs: number },
): EndpointState {
  return { ...endpoint, state, sinceMs: nowMs, why, probeAtMs: 0, openings: 0 };
}

/** Opens the circuit: nothing is attempted before `probeAtMs`. */
export function breakEndpoint(
  endpoint: EndpointState,
  { why, nowMs, probeAtMs }: { readonly why: string; readonly nowMs: number; readonly probeAtMs: number },
): EndpointState {
  assert(
    endpoint.state === 'active' || endpoint.state === 'broken',
    'a stopped endpoint has no circuit to open',
  );
  const sinceMs = endpoint.state === 'broken' ? endpoint.sinceMs : nowMs;
  return { ...endpoint, state: 'broken', sinceMs, why, probeAtMs, openings: endpoint.openings + 1 };
}

/** Whether one record may be sent to find out if a broken endpoint is back. */
export function isProbeDue(endpoint: EndpointState, nowMs: number): boolean {
  return endpoint.state === 'broken' && endpoint.probeAtMs <= nowMs;
}

/** Takes the probe: no other run does so before `untilMs`. */
export function takeProbe(endpoint: EndpointState, untilMs: number): EndpointState {
  assert(endpoint.state === 'broken', 'only a broken endpoint is probed');
  return { ...endpoint, probeAtMs: untilMs };
}
