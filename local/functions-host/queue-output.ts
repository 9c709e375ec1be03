import { describeError } from '../../src/shared/error.ts';
import type { RpcInvocationResponse, RpcTypedData } from './core-types.ts';
import { doFor, HostError } from './host-error.ts';
import type { AppFunction } from './load-app.ts';
import type { QueueSettings } from './settings.ts';
import type { Queues, StorageQueue } from './storage-queue.ts';

/**
 * Writes what a function gives to its queue outputs, `return` and `extraOutputs` alike.
 *
 * @throws {HostError} when a message cannot be written; those before it are in the queue.
 */
export type WriteOutputs = (fn: AppFunction, response: RpcInvocationResponse) => Promise<void>;

interface QueueOutput {
  /** `$return` is the return value. */
  readonly name: string;
  readonly queue: StorageQueue;
}

/**
 * Opens the queue outputs of all functions. An array becomes one message an element, in order; objects are written as
 * JSON, strings as they are. A text that is JSON is taken apart in the same way. Outputs of one function are written
 * side by side.
 * Azure/azure-functions-host, `WorkerFunctionInvoker.BindOutputsAsync` and `FunctionBinding.ReadAsEnumerable`.
 *
 * @throws {HostError} when a binding names no queue.
 */
export function createQueueOutputs(options: {
  readonly functions: readonly AppFunction[];
  readonly queues: Queues;
  readonly messageEncoding: QueueSettings['messageEncoding'];
}): WriteOutputs {
  const { functions, queues, messageEncoding } = options;
  const outputs = new Map<AppFunction, readonly QueueOutput[]>();
  for (const fn of functions) {
    const found = openOutputs(fn, queues);
    if (found.length > 0) outputs.set(fn, found);
  }

  const write = async ({ name, queue }: QueueOutput, response: RpcInvocationResponse) => {
    const data =
      name === '$return'
        ? response.returnValue
        : response.outputData?.find((output) => output.name === name)?.data;
    if (!data) return;
    try {
      for (const message of toMessages(data))
        await queue.add(message.toString(textEncoding[messageEncoding]));
    } catch (error) {
      throw new HostError(`output "${name}" to queue '${queue.name}' failed: ${describeError(error)}`, error);
    }
  };

  return async (fn, response) => {
    const ofFunction = outputs.get(fn);
    if (ofFunction) await Promise.all(ofFunction.map((output) => write(output, response)));
  };
}

const textEncoding = { base64: 'base64', none: 'utf8' } as const;

function openOutputs(fn: AppFunction, queues: Queues): QueueOutput[] {
  const bindings = Object.entries(fn.metadata.bindings).filter(
    ([, { type, direction }]) => type.toLowerCase() === 'queue' && direction === 'out',
  );
  return bindings.map(([name, binding]) =>
    doFor(`function "${fn.name}", output "${name}"`, () => ({ name, queue: queues.open(binding) })),
  );
}

function toMessages(data: RpcTypedData): Buffer[] {
  if (data.bytes) return [Buffer.from(data.bytes)];
  const value = data.json ? JSON.parse(data.json) : (readText(data.string) ?? data.int ?? data.double);
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.map((element) => Buffer.from(toText(element)));
}

/** What looks like a JSON object or array is one. */
function readText(text: string | null | undefined): unknown {
  const ends = text?.trim().replace(/^(.).*(.)$/s, '$1$2');
  return text && (ends === '{}' || ends === '[]') ? JSON.parse(text) : text;
}

/** A value as Newtonsoft's `JToken.ToString` writes it. */
function toText(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'object' ? JSON.stringify(value, undefined, 2) : String(value);
}
