/**
 * The local Functions host as a program: `node local/functions-host/main.ts [--port N] [--enable-auth]
 * [--script-root DIR] [--state DIR]`. A parent with an IPC channel is sent `{ url }` when it listens.
 */
import { inspect, parseArgs } from 'node:util';
import { describeError } from '../../src/shared/error.ts';
import { startHost } from './host.ts';
import { HostError } from './host-error.ts';
import { createLinePrinter } from './line-printer.ts';

const printer = createLinePrinter({ write: (text) => process.stdout.write(text) });

async function main(): Promise<void> {
  const host = await startHost({ ...readArguments(), print: printer.print });
  let closing = false;
  const stop = async () => {
    if (closing) return;
    closing = true;
    await host.close();
    printer.flush();
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => stop().catch(fail));
  }
  // A host outlives no parent that started it, however that parent died.
  process.once('disconnect', () => stop().catch(fail));
  process.send?.({ url: host.url });
}

function readArguments() {
  const values = parse();
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new HostError(`--port must be a number from 0 (any free port) to 65535, not "${values.port}"`);
  }
  return {
    port,
    enableAuth: values['enable-auth'],
    scriptRoot: values['script-root'],
    stateDir: values.state,
  };
}

function parse() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string' },
        'enable-auth': { type: 'boolean', default: false },
        'script-root': { type: 'string', default: process.cwd() },
        state: { type: 'string' },
      },
    }).values;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new HostError(`${why}; the flags are --port N, --enable-auth, --script-root DIR and --state DIR`);
  }
}

function fail(error: unknown): void {
  printer.flush();
  process.stderr.write(
    `${describeError(error)}\n${whereThrown(error instanceof HostError ? error.cause : error)}`,
  );
  process.exit(1);
}

/** Where a defect was thrown, and what else is known of it but for its message, which is said already. */
function whereThrown(cause: unknown): string {
  // The app has its own copy of SluiceError, so what was thrown on purpose is told by its shape; it says all there is.
  if (!(cause instanceof Error) || 'retryable' in cause) return '';
  return `${inspect(cause).replace(`${cause.name}: ${cause.message}\n`, '')}\n`;
}

await main().catch(fail);
