/**
 * The module `@azure/functions-core`, as the Node worker gives it to an app: exactly what is exported here is
 * what `@azure/functions` sees. https://github.com/Azure/azure-functions-nodejs-worker, `types-core/index.d.ts`.
 */
import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  HookName,
  LogCategory,
  LogLevel,
  ProgrammingModel,
} from './core-types.ts';
import { HostError } from './host-error.ts';
import { workerApp } from './worker-app.ts';

/** The version of the Node worker whose contract this is. */
export const version = '3.12.0';

/** The version of the Functions host whose behaviour is kept. */
export const hostVersion = '4.1044.0';

// As the host has it: https://github.com/Azure/azure-functions-host, `Utility.IsValidFunctionName`.
const functionName = /^(?!host$)[a-z][a-z0-9_-]{0,127}$/i;

/** @throws {HostError} when the name is bad or taken, or the app has started already. */
export function registerFunction(metadata: FunctionMetadata, callback: FunctionCallback): Disposable {
  const { name } = metadata;
  if (workerApp.phase !== 'registering') {
    throw new HostError(
      `function "${name}" is registered too late: functions are registered while the app's files load`,
    );
  }
  if (!functionName.test(name)) {
    throw new HostError(
      `"${name}" is no function name: a letter, then at most 127 letters, digits, "_" or "-", and not "host"`,
    );
  }
  // Function names are compared without case, as the host does.
  const key = name.toLowerCase();
  if (workerApp.functions.has(key))
    throw new HostError(`a function with id "${name}" has already been registered`);
  workerApp.functions.set(key, { metadata, callback });
  return new Disposable(() => {
    if (workerApp.phase !== 'registering') {
      throw new HostError(`function "${name}" is disposed too late: the app has started`);
    }
    workerApp.functions.delete(key);
  });
}

/** @throws {RangeError} when there is no hook of that name. */
export function registerHook(hookName: string, callback: HookCallback): Disposable {
  if (!isHookName(hookName)) throw new RangeError(`Unrecognized hook "${hookName}"`);
  const callbacks = workerApp.hooks[hookName];
  callbacks.push(callback);
  return new Disposable(() => {
    const index = callbacks.indexOf(callback);
    if (index >= 0) callbacks.splice(index, 1);
  });
}

/** Called by the library as it is loaded. */
export function setProgrammingModel(model: ProgrammingModel): void {
  workerApp.programmingModel = model;
}

/** What the library has set. */
export function getProgrammingModel(): ProgrammingModel | undefined {
  return workerApp.programmingModel;
}

/** The library's own messages. */
export function log(level: LogLevel, category: LogCategory, message: string): void {
  workerApp.log(level, category, message);
}

/** Runs its callback at the first `dispose()`. */
export class Disposable {
  #callback: (() => unknown) | undefined;

  static from(...disposables: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => {
      for (const disposable of disposables) disposable.dispose();
    });
  }

  constructor(callback: () => unknown) {
    this.#callback = callback;
  }

  dispose(): unknown {
    const callback = this.#callback;
    this.#callback = undefined;
    return callback?.();
  }
}

function isHookName(name: string): name is HookName {
  return Object.hasOwn(workerApp.hooks, name);
}
