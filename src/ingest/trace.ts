import type { CloudEvent } from '../events/cloud-event.ts';

/**
 * Gives events the trace in which they started, as the extension attributes of CloudEvents for it
 * (cloudevents/spec, extensions/distributed-tracing.md). An event that came with one keeps it; one that came without
 * starts in the trace of its request.
 *
 * @param header a header of the request, by its name in lower case.
 */
export function withTrace(
  events: readonly CloudEvent[],
  header: (name: string) => string | null | undefined,
): readonly CloudEvent[] {
  const traceparent = header('traceparent');
  if (!traceparent || !wellFormedTraceparent.test(traceparent)) return events;
  const tracestate = header('tracestate');
  const trace =
    tracestate && wellFormedTracestate.test(tracestate) ? { traceparent, tracestate } : { traceparent };
  return events.map((event) => (event.traceparent === undefined ? { ...event, ...trace } : event));
}

/** W3C Trace Context, section 3.2.2; version ff is none. */
const wellFormedTraceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** W3C Trace Context, section 3.3: printable, and of a length that everyone passes on. */
const wellFormedTracestate = /^[\x20-\x7e]{1,512}$/;
