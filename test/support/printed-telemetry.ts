/** A span that ended, as `print-telemetry.ts` prints it. */
export interface PrintedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly linkedSpanIds: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The message of its status, if it failed. */
  readonly failed: string | undefined;
}

/** Where a counter or a histogram stands, for one set of attributes. */
export interface PrintedMetric {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of all that was counted or recorded. */
  readonly sum: number | undefined;
  /** Of values recorded in a histogram. */
  readonly count: number | undefined;
}

/** Collects what a process prints: the latest figures, and all spans. */
export function collectTelemetry() {
  const spans: PrintedSpan[] = [];
  const latest = new Map<string, PrintedMetric>();
  return {
    spans,
    /** Takes in a line, if it is one of telemetry. */
    take(line: string): void {
      if (!/^\{"(span|metric)":/.test(line)) return;
      const { span, metric } = JSON.parse(line) as { span?: PrintedSpan; metric?: PrintedMetric };
      if (span !== undefined) spans.push(span);
      if (metric !== undefined) latest.set(JSON.stringify([metric.name, metric.attributes]), metric);
    },
    /** Where a counter or histogram stands for these attributes, whichever others it has. */
    metric(name: string, attributes: Readonly<Record<string, unknown>> = {}): PrintedMetric | undefined {
      return [...latest.values()].find(
        (metric) =>
          metric.name === name &&
          Object.entries(attributes).every(([key, value]) => metric.attributes[key] === value),
      );
    },
  };
}
