import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  HookContext,
  HookName,
  LogCategory,
  LogLevel,
  ProgrammingModel,
} from './core-types.ts';
import { HostError } from './host-error.ts';

/**
 * What the app has registered so far. There is one per process, because `@azure/functions` keeps state of its
 * own per process and an ES module is loaded only once.
 */
export interface WorkerApp {
  readonly functions: Map<
    string,
    { readonly metadata: FunctionMetadata; readonly callback: FunctionCallback }
  >;
  readonly hooks: Readonly<Record<HookName, HookCallback[]>>;
  readonly appHookData: Record<string, unknown>;
  /** Shared by the `appStart` and `appTerminate` hooks only. */
  readonly lifetimeHookData: Record<string, unknown>;
  programmingModel: ProgrammingModel | undefined;
  /** `registering` while the app's files are loaded; functions may be registered only then. */
  phase: 'idle' | 'registering' | 'running';
  /** Where the library's own messages go. */
  log(level: LogLevel, category: LogCategory, message: string): void;
}

/** The app of this process. */
export const workerApp: WorkerApp = {
  functions: new Map(),
  hooks: { appStart: [], appTerminate: [], preInvocation: [], postInvocation: [], log: [] },
  appHookData: {},
  lifetimeHookData: {},
  programmingModel: undefined,
  phase: 'idle',
  log: (_level, _category, message) => console.warn(message),
};

/** The programming model the app's library has set. @throws {HostError} when none was. */
export function programmingModelOf(app: WorkerApp): ProgrammingModel {
  if (!app.programmingModel) {
    throw new HostError(
      'the app registered nothing: its files must call app.http, app.timer, ... of @azure/functions',
    );
  }
  return app.programmingModel;
}

/** Runs the hooks of one name in the order they were registered; the first that throws ends it. */
export async function runHooks(callbacks: readonly HookCallback[], context: HookContext): Promise<void> {
  for (const callback of callbacks) await callback(context);
}
