import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  type Link,
  metrics,
  propagation,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

/**
 * Where spans, counters and histograms go. A unit is the instrument's and no part of its name, and durations are in
 * seconds. Source: OpenTelemetry's semantic conventions, https://opentelemetry.io/docs/specs/semconv/general/metrics/
 */
export interface Telemetry {
  /**
   * Runs `work` in a span. A throw marks the span as failed, and so does `work` by what it is given.
   *
   * @param caller in whose trace the work begins; not looked at where a span is under way already.
   */
  span<T>(
    name: string,
    attributes: Attributes,
    work: (fail: (code: string) => void) => Promise<T>,
    caller?: TraceHeaders,
  ): Promise<T>;
  /** Where the work under way stands in its trace. */
  here(): TracePoint;
  /** Runs work that is done for several at once: a span in it is a child of the first, and linked to the others. */
  onBehalfOf<T>(points: readonly TracePoint[], work: () => T): T;
  /** Adds `by` to a counter. */
  count(name: string, by: number, attributes?: Attributes): void;
  /** Records how long something took, in a histogram of seconds. */
  duration(name: string, ms: number, attributes?: Attributes): void;
  /** Records a number of things in a histogram. `unit` says what is counted, such as `{record}`. */
  record(name: string, unit: `{${string}}`, value: number, attributes?: Attributes): void;
}

/** W3C Trace Context, as its two headers have it. */
export interface TraceHeaders {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** A place in a trace. */
export type TracePoint = Context;

/** Holds the links of the next span. */
const linksKey = createContextKey('sluice.links');

/** The conventions' buckets for HTTP and messaging, in seconds; an SDK's own are meant for milliseconds. */
const durationAdvice = {
  explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
};

/**
 * Telemetry by the OpenTelemetry API: without an SDK in the app it does nothing and costs next to nothing.
 *
 * @param scope names the instrumentation.
 */
export function openTelemetry(scope: string): Telemetry {
  // It finds the SDK although the app may set one up only later; a meter does not, so it is asked for late.
  const tracer = trace.getTracer(scope);
  const counters = memoize((name) => metrics.getMeter(scope).createCounter(name));
  const durations = memoize((name) =>
    metrics.getMeter(scope).createHistogram(name, { unit: 's', advice: durationAdvice }),
  );
  const numbers = memoize((name, unit: string) => metrics.getMeter(scope).createHistogram(name, { unit }));
  return {
    span: (name, attributes, work, caller) => {
      const parent = parentOf(caller);
      const links = parent.getValue(linksKey) as Link[] | undefined;
      const options = links === undefined ? { attributes } : { attributes, links };
      const around = links === undefined ? parent : parent.deleteValue(linksKey);
      return tracer.startActiveSpan(name, options, around, async (span) => {
        try {
          return await work((code) => span.setStatus({ code: SpanStatusCode.ERROR, message: code }));
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR });
          if (error instanceof Error) span.recordException(error);
          throw error;
        } finally {
          span.end();
        }
      });
    },
    here: () => context.active(),
    onBehalfOf: (points, work) => {
      const traced = [...new Set(points)].filter((point) => trace.getSpanContext(point) !== undefined);
      const [first, ...others] = traced;
      if (first === undefined) return work();
      return context.with(first.setValue(linksKey, others.flatMap(linkTo)), work);
    },
    count: (name, by, attributes) => counters(name).add(by, attributes),
    duration: (name, ms, attributes) => durations(name).record(ms / 1_000, attributes),
    record: (name, unit, value, attributes) => numbers(name, unit).record(value, attributes),
  };
}

/** Telemetry that keeps nothing. */
export const silentTelemetry: Telemetry = {
  span: (_name, _attributes, work) => work(() => undefined),
  here: () => context.active(),
  onBehalfOf: (_points, work) => work(),
  count: () => undefined,
  duration: () => undefined,
  record: () => undefined,
};

/** Reads the caller's headers in the way that the app's SDK is set up for. */
function parentOf(caller: TraceHeaders | undefined): Context {
  const active = context.active();
  if (caller === undefined || trace.getSpanContext(active) !== undefined) return active;
  return propagation.extract(active, caller);
}

function linkTo(point: TracePoint): Link[] {
  const spanContext = trace.getSpanContext(point);
  return spanContext === undefined ? [] : [{ context: spanContext }];
}

function memoize<T, Rest extends unknown[]>(
  make: (name: string, ...rest: Rest) => T,
): (name: string, ...rest: Rest) => T {
  const made = new Map<string, T>();
  return (name, ...rest) => {
    let value = made.get(name);
    if (value === undefined) {
      value = make(name, ...rest);
      made.set(name, value);
    }
    return value;
  };
}
