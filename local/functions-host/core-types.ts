/**
 * The part of the Node worker's contract (`@azure/functions-core`) that the host speaks. Names are the
 * contract's own: https://github.com/Azure/azure-functions-nodejs-worker, `types-core/index.d.ts`.
 */

/** How much a line of the log matters; `none` lets nothing through. */
export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';

/** `user` for what a function logs, `system` for what the worker or the library says. */
export type LogCategory = 'user' | 'system' | 'customMetric';

/** A trigger, an input or an output of a function, with the options of its kind. */
export interface Binding {
  readonly type: string;
  readonly direction: 'in' | 'out' | 'inout';
  readonly [option: string]: unknown;
}

/** A function as the library registers it. */
export interface FunctionMetadata {
  readonly name: string;
  /** By binding name; `$return` is the return value. */
  readonly bindings: Readonly<Record<string, Binding>>;
  readonly retryOptions?: unknown;
}

/** The handler of a function. */
export type FunctionCallback = (...args: unknown[]) => unknown;

/** A value on its way into or out of a function; at most one field is set. */
export interface RpcTypedData {
  readonly string?: string | null;
  readonly json?: string | null;
  readonly bytes?: Uint8Array | null;
  readonly int?: number | null;
  readonly double?: number | null;
  readonly http?: RpcHttpData | null;
}

/** An HTTP request (all but the last three fields) or an answer (the last three, `headers` and `body`). */
export interface RpcHttpData {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RpcTypedData | null;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly statusCode?: string;
  readonly cookies?: readonly RpcHttpCookie[];
}

interface Nullable<T> {
  readonly value?: T | null;
}

/** A cookie that an HTTP function sets. */
export interface RpcHttpCookie {
  readonly name: string;
  readonly value: string;
  readonly domain?: Nullable<string>;
  readonly path?: Nullable<string>;
  /** Seconds since the Unix epoch. */
  readonly expires?: Nullable<{ readonly seconds: number }>;
  readonly secure?: Nullable<boolean>;
  readonly httpOnly?: Nullable<boolean>;
  readonly sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone';
  /** Seconds. */
  readonly maxAge?: Nullable<number>;
}

/** What the host asks of a function. */
export interface RpcInvocationRequest {
  readonly invocationId: string;
  readonly functionId: string;
  readonly inputData: readonly { readonly name: string; readonly data: RpcTypedData }[];
  readonly triggerMetadata: Readonly<Record<string, RpcTypedData>>;
  readonly traceContext: { readonly traceParent: string; readonly traceState: string };
}

/** What a function has given: its return value, and its extra outputs by their names. */
export interface RpcInvocationResponse {
  readonly returnValue?: RpcTypedData | null;
  readonly outputData?: readonly { readonly name: string; readonly data: RpcTypedData }[];
}

/** An invocation, as the host shows it to the library. */
export interface CoreInvocationContext {
  readonly invocationId: string;
  readonly request: RpcInvocationRequest;
  readonly metadata: FunctionMetadata;
  state?: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks' | undefined;
  log(level: LogLevel, category: LogCategory, message: string): void;
}

/** What the library does for one invocation. */
export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<RpcInvocationResponse>;
}

/** What the library registers of itself: `@azure/functions` v4 is one. */
export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(core: CoreInvocationContext): InvocationModel;
  getCapabilities?(worker: Record<string, string>): Promise<Record<string, string>>;
}

/** When hooks run. */
export type HookName = 'appStart' | 'appTerminate' | 'preInvocation' | 'postInvocation' | 'log';

/** Hooks of one scope share `hookData`; all hooks of the app share `appHookData`. */
export interface HookContext {
  readonly hookData: Record<string, unknown>;
  readonly appHookData: Record<string, unknown>;
  [field: string]: unknown;
}

/** A hook; it may change what its context holds. */
export type HookCallback = (context: HookContext) => unknown;
