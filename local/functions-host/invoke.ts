import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import type { Clock } from '../../src/shared/clock.ts';
import type {
  CoreInvocationContext,
  LogCategory,
  LogLevel,
  RpcInvocationResponse,
  RpcTypedData,
} from './core-types.ts';
import { HostError } from './host-error.ts';
import type { HostLog } from './host-log.ts';
import type { AppFunction } from './load-app.ts';
import type { WriteOutputs } from './queue-output.ts';
import { createTimeLimit } from './time-limit.ts';
import { programmingModelOf, runHooks, workerApp } from './worker-app.ts';

/** What a trigger gives to the function it starts. */
export interface Invocation {
  readonly data: RpcTypedData;
  readonly metadata?: Readonly<Record<string, RpcTypedData>>;
  /** Why it runs, for the log. */
  readonly reason: string;
  /** What the log says of the trigger, besides. */
  readonly details?: string;
  /** W3C trace context of what caused it. */
  readonly traceParent?: string | undefined;
  readonly traceState?: string | undefined;
}

/** A failure has been logged already when the caller sees it. */
export type InvocationResult =
  | { readonly ok: true; readonly response: RpcInvocationResponse }
  | { readonly ok: false; readonly error: unknown };

/** Runs a function once. Never rejects. */
export type Invoke = (fn: AppFunction, invocation: Invocation) => Promise<InvocationResult>;

/** Runs functions, and knows what is under way. */
export interface Invoker {
  readonly invoke: Invoke;
  /** Waits until nothing runs, or `limitMs` is over; true when nothing runs. */
  drain(limitMs: number): Promise<boolean>;
}

/** The reason the host gives for HTTP and admin calls. */
export const calledByApi = 'This function was programmatically called via the host APIs.';

/** What the hooks of one invocation share. */
interface HookScope {
  readonly hookData: Record<string, unknown>;
  readonly appHookData: Record<string, unknown>;
  invocationContext: unknown;
}

const drainPollMs = 20;

/** Runs functions through the programming model the app's library registered, as the Node worker does. */
export function createInvoker(options: {
  readonly clock: Clock;
  readonly log: HostLog;
  readonly functionTimeoutMs: number;
  /** Part of the invocation: it fails when they cannot be written. */
  readonly writeOutputs: WriteOutputs;
}): Invoker {
  const { clock, log, functionTimeoutMs, writeOutputs } = options;
  const withinLimit = createTimeLimit({ clock, limitMs: functionTimeoutMs });
  let underWay = 0;

  const invoke: Invoke = async (fn, invocation) => {
    const id = randomUUID();
    const category = `Function.${fn.name}`;
    const startMs = clock.now();
    log.write(
      category,
      'information',
      `Executing 'Functions.${fn.name}' (Reason='${invocation.reason}', Id=${id})`,
    );
    if (invocation.details !== undefined)
      log.write(category, 'information', `Trigger Details: ${invocation.details}`);
    const ended = (outcome: string) =>
      `Executed 'Functions.${fn.name}' (${outcome}, Id=${id}, Duration=${Math.round(clock.now() - startMs)}ms)`;
    underWay += 1;
    try {
      const run = async () => {
        const response = await runOnce(fn, invocation, id, log);
        await writeOutputs(fn, response);
        return response;
      };
      const response = await withinLimit(run(), () => timeoutError(fn, functionTimeoutMs));
      log.write(category, 'information', ended('Succeeded'));
      return { ok: true, response };
    } catch (error) {
      log.write(category, 'error', `${ended('Failed')}\n${inspect(error)}`);
      return { ok: false, error };
    } finally {
      underWay -= 1;
    }
  };

  return {
    invoke,
    drain: async (limitMs) => {
      const endMs = clock.now() + limitMs;
      while (underWay > 0 && clock.now() < endMs) await clock.sleep(drainPollMs);
      return underWay === 0;
    },
  };
}

function timeoutError(fn: AppFunction, timeoutMs: number): HostError {
  return new HostError(
    `Timeout value of ${timeoutMs / 1000} s was exceeded by function: Functions.${fn.name}`,
  );
}

async function runOnce(
  fn: AppFunction,
  invocation: Invocation,
  id: string,
  log: HostLog,
): Promise<RpcInvocationResponse> {
  const scope: HookScope = { hookData: {}, appHookData: workerApp.appHookData, invocationContext: undefined };
  const core: CoreInvocationContext = {
    invocationId: id,
    request: {
      invocationId: id,
      functionId: fn.name,
      inputData: [{ name: fn.triggerName, data: invocation.data }],
      triggerMetadata: invocation.metadata ?? {},
      traceContext: {
        traceParent: childSpan(invocation.traceParent, id),
        traceState: invocation.traceState ?? '',
      },
    },
    metadata: fn.metadata,
    log: (level, logCategory, message) => writeFunctionLog({ fn, log, scope, level, logCategory, message }),
  };
  const model = programmingModelOf(workerApp).getInvocationModel(core);
  const { context, inputs } = await model.getArguments();
  scope.invocationContext = context;

  const before = { ...scope, inputs, functionCallback: fn.callback };
  core.state = 'preInvocationHooks';
  await runHooks(workerApp.hooks.preInvocation, before);

  const after = { ...scope, inputs: before.inputs, result: null as unknown, error: null as unknown };
  core.state = 'invocation';
  try {
    after.result = await model.invokeFunction(context, before.inputs, before.functionCallback);
  } catch (error) {
    after.error = error ?? new Error('Unknown error');
  }
  core.state = 'postInvocationHooks';
  await runHooks(workerApp.hooks.postInvocation, after);
  core.state = undefined;

  if (after.error !== null && after.error !== undefined) throw after.error;
  return model.getResponse(context, after.result);
}

/** Log hooks may change the level and the message of a line before it is written. */
function writeFunctionLog(entry: {
  fn: AppFunction;
  log: HostLog;
  scope: HookScope;
  level: LogLevel;
  logCategory: LogCategory;
  message: string;
}): void {
  const { fn, log, scope, level, logCategory, message } = entry;
  const context = { ...scope, level, message, category: logCategory };
  for (const hook of workerApp.hooks.log) hook(context);
  const category = logCategory === 'user' ? `Function.${fn.name}.User` : `Function.${fn.name}`;
  log.write(category, context.level, context.message);
}

const traceParentPattern = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/;

/**
 * The invocation's own span in the caller's trace, or in a new one; the random invocation id makes both unique. A new
 * one is sampled, as by a host with Application Insights: an app's SDK records nothing of the others.
 */
function childSpan(traceParent: string | undefined, invocationId: string): string {
  const hex = invocationId.replaceAll('-', '');
  const [, traceId = hex, flags = '01'] = traceParentPattern.exec(traceParent ?? '') ?? [];
  return `00-${traceId}-${hex.slice(16)}-${flags}`;
}
