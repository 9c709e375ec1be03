import { type Attributes, metrics, SpanStatusCode, trace } from '@opentelemetry/api';

/** Where spans, counters and histograms go. */
export interface Telemetry {
  /** Runs `work` in a span; a throw marks the span as failed. */
  span<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T>;
  /** Adds `by` to a counter. */
  count(name: string, by: number, attributes?: Attributes): void;
  /** Records a value in a histogram; the unit stands last in its name. */
  record(name: string, value: number, attributes?: Attributes): void;
}

/**
 * Telemetry by the OpenTelemetry API: without an SDK in the app it does nothing and costs next to nothing.
 *
 * @param scope names the instrumentation.
 */
export function openTelemetry(scope: string): Telemetry {
  // A proxy that finds the SDK when the app sets one up later.
  const tracer = trace.getTracer(scope);
  const counters = memoize((name) => metrics.getMeter(scope).createCounter(name));
  const histograms = memoize((name) => metrics.getMeter(scope).createHistogram(name));
  return {
    span: (name, attributes, work) =>
      tracer.startActiveSpan(name, { attributes }, async (span) => {
        try {
          return await work();
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR });
          if (error instanceof Error) span.recordException(error);
          throw error;
        } finally {
          span.end();
        }
      }),
    count: (name, by, attributes) => counters(name).add(by, attributes),
    record: (name, value, attributes) => histograms(name).record(value, attributes),
  };
}

/** Telemetry that keeps nothing. */
export const silentTelemetry: Telemetry = {
  span: (_name, _attributes, work) => work(),
  count: () => undefined,
  record: () => undefined,
};

function memoize<T>(make: (name: string) => T): (name: string) => T {
  const made = new Map<string, T>();
  return (name) => {
    let value = made.get(name);
    if (value === undefined) {
      value = make(name);
      made.set(name, value);
    }
    return value;
  };
}
