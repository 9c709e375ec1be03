/**
 * Loaded before an app (`--import`): prints each span and all metrics as lines of JSON, so that whoever started the
 * app sees what an SDK in it is given.
 */
import { AggregationTemporality, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';
import { setUpOpenTelemetry } from './open-telemetry.ts';
import type { PrintedMetric, PrintedSpan } from './printed-telemetry.ts';

const exportIntervalMs = 100;
const exported = { code: 0 };

const spans: SpanExporter = {
  export: (ended, done) => {
    for (const span of ended) {
      const { traceId, spanId } = span.spanContext();
      print('span', {
        name: span.name,
        traceId,
        spanId,
        parentSpanId: span.parentSpanContext?.spanId,
        linkedSpanIds: span.links.map(({ context }) => context.spanId),
        attributes: span.attributes,
        failed: span.status.message,
      });
    }
    done(exported);
  },
  shutdown: async () => undefined,
};

const metrics: PushMetricExporter = {
  export: ({ scopeMetrics }, done) => {
    for (const { descriptor, dataPoints } of scopeMetrics.flatMap((scope) => scope.metrics)) {
      for (const { attributes, value } of dataPoints) {
        const figures = typeof value === 'number' ? { sum: value } : value;
        if (typeof figures !== 'object') continue;
        const count = 'count' in figures ? figures.count : undefined;
        print('metric', { name: descriptor.name, attributes, sum: figures.sum, count });
      }
    }
    done(exported);
  },
  forceFlush: async () => undefined,
  shutdown: async () => undefined,
  selectAggregationTemporality: () => AggregationTemporality.CUMULATIVE,
};

function print(kind: 'span', printed: PrintedSpan): void;
function print(kind: 'metric', printed: PrintedMetric): void;
function print(kind: string, printed: object): void {
  console.log(JSON.stringify({ [kind]: printed }));
}

setUpOpenTelemetry({ spans, metrics, exportIntervalMs });
