import { globSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { describeError } from '../../src/shared/error.ts';
import type { Binding, FunctionCallback, FunctionMetadata } from './core-types.ts';
import { HostError } from './host-error.ts';
import { readJsonFile } from './json-file.ts';
import { programmingModelOf, runHooks, type WorkerApp, workerApp } from './worker-app.ts';

/** A function of the loaded app. */
export interface AppFunction {
  readonly name: string;
  readonly metadata: FunctionMetadata;
  readonly callback: FunctionCallback;
  /** The binding that starts the function, and the name it has among the function's bindings. */
  readonly trigger: Binding;
  readonly triggerName: string;
  /** From the app setting `AzureWebJobs.<name>.Disabled`. */
  readonly disabled: boolean;
}

const packageFile = z.looseObject({
  main: z.string('must name the built files, for example "dist/functions/*.js"'),
});

/**
 * Imports the files that `main` of the app's package.json names (a path or a glob) with `@azure/functions-core`
 * in place, then runs the `appStart` hooks. The functions come ordered by name, as the host orders them.
 *
 * @throws {HostError} when a file fails to load or a function cannot be run here.
 */
export async function loadApp(options: {
  readonly scriptRoot: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: WorkerApp['log'];
}): Promise<AppFunction[]> {
  if (workerApp.phase !== 'idle') throw new HostError('one process hosts one app: start another process');
  workerApp.log = options.log;
  workerApp.phase = 'registering';
  installCoreModule();
  for (const file of entryFiles(options.scriptRoot)) {
    try {
      await import(pathToFileURL(file).href);
    } catch (error) {
      throw new HostError(`${file} failed to load: ${describeError(error)}`, error);
    }
  }
  await runHooks(workerApp.hooks.appStart, {
    hookData: workerApp.lifetimeHookData,
    appHookData: workerApp.appHookData,
    functionAppDirectory: options.scriptRoot,
  });
  await refuseCapabilities();
  workerApp.phase = 'running';
  return [...workerApp.functions]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { metadata, callback }]) => toAppFunction(metadata, callback, options.env));
}

/** `require('@azure/functions-core')`, which the library does lazily, gets our module of that contract. */
function installCoreModule(): void {
  const url = import.meta.resolve('./functions-core.ts');
  registerHooks({
    resolve: (specifier, context, nextResolve) =>
      specifier === '@azure/functions-core'
        ? { url, format: 'module-typescript', shortCircuit: true }
        : nextResolve(specifier, context),
  });
}

function entryFiles(scriptRoot: string): string[] {
  const path = join(scriptRoot, 'package.json');
  const { main } = readJsonFile(path, packageFile);
  const files = globSync(main, { cwd: scriptRoot }).sort();
  if (files.length === 0)
    throw new HostError(`no file matches main of ${path}, "${main}": build the app first`);
  return files.map((file) => join(scriptRoot, file));
}

async function refuseCapabilities(): Promise<void> {
  const capabilities = await programmingModelOf(workerApp).getCapabilities?.({});
  if (capabilities?.HttpUri !== undefined) {
    throw new HostError(
      'app.setup({ enableHttpStream: true }) is not supported by the local host: leave it out',
    );
  }
}

function toAppFunction(
  metadata: FunctionMetadata,
  callback: FunctionCallback,
  env: NodeJS.ProcessEnv,
): AppFunction {
  const bindings = Object.entries(metadata.bindings);
  const [triggerName, trigger] = bindings.find(([, binding]) => /trigger$/i.test(binding.type)) ?? [];
  if (triggerName === undefined || !trigger)
    throw new HostError(`function "${metadata.name}" has no trigger`);
  const foreign = bindings.find(([name, binding]) => name !== triggerName && !isSupportedOutput(binding));
  if (foreign) {
    const [name, { type, direction }] = foreign;
    throw new HostError(
      `function "${metadata.name}": the local host supports outputs of type "http" and "queue" only, not "${name}" (${direction}, "${type}")`,
    );
  }
  const disabled = /^(true|1)$/i.test(env[`AzureWebJobs.${metadata.name}.Disabled`] ?? '');
  return { name: metadata.name, metadata, callback, trigger, triggerName, disabled };
}

function isSupportedOutput({ type, direction }: Binding): boolean {
  return direction === 'out' && ['http', 'queue'].includes(type.toLowerCase());
}
