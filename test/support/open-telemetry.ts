import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type ContextManager,
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type TextMapPropagator,
  trace,
} from '@opentelemetry/api';
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';

/** Sets OpenTelemetry's SDK up for this process, as an app with a monitoring distribution does at its start. */
export function setUpOpenTelemetry(options: {
  readonly spans: SpanExporter;
  readonly metrics: PushMetricExporter;
  readonly exportIntervalMs: number;
}): { readonly meterProvider: MeterProvider } {
  context.setGlobalContextManager(asyncContext());
  propagation.setGlobalPropagator(w3cPropagator);
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(options.spans)] }),
  );
  const meterProvider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({
        exporter: options.metrics,
        exportIntervalMillis: options.exportIntervalMs,
        exportTimeoutMillis: options.exportIntervalMs,
      }),
    ],
  });
  metrics.setGlobalMeterProvider(meterProvider);
  return { meterProvider };
}

/** Keeps the context over asynchronous calls, as `AsyncLocalStorageContextManager` of the Node SDK does. */
function asyncContext(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) => storage.run(active, () => work.apply(self, args)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

/** Reads a `traceparent` of version 00; nothing here sends one. */
const w3cPropagator: TextMapPropagator = {
  inject: () => undefined,
  extract: (active, carrier, getter) => {
    const [, traceId, spanId, flags] =
      /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(String(getter.get(carrier, 'traceparent'))) ??
      [];
    if (traceId === undefined || spanId === undefined) return active;
    const traceFlags = Number.parseInt(flags ?? '00', 16);
    return trace.setSpanContext(active, { traceId, spanId, traceFlags, isRemote: true });
  },
  fields: () => ['traceparent', 'tracestate'],
};
