import { once } from 'node:events';
import { systemClock } from '../src/shared/clock.ts';
import { describeError } from '../src/shared/error.ts';
import { createFaults } from './faults.ts';
import { FlagError, type Flags, readFlags, usage } from './flags.ts';
import { openLog } from './log.ts';
import { startProxy } from './server.ts';

/** Serves until SIGINT or SIGTERM, then closes in order. */
async function serve(flags: Flags): Promise<void> {
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const log = openLog({ path: flags.data, clock: systemClock });
  try {
    const proxy = await startProxy({
      log,
      clock: systemClock,
      host: flags.host,
      port: flags.port,
      visibilityDelayMs: flags.visibilityDelayMs,
      ...(flags.tls && { tls: flags.tls }),
      ...(flags.auth && { auth: flags.auth }),
      ...(flags.control && { faults: createFaults() }),
    });
    console.log(`The Kafka REST proxy listens at ${proxy.url}`);
    await stopped;
    await proxy.close();
  } finally {
    log.close();
  }
}

try {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) process.stdout.write(usage);
  else await serve(flags);
} catch (error) {
  const isFlagError = error instanceof FlagError;
  const isPortTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  const advice = isPortTaken ? '. End the process that listens there, or choose another --port.' : '';
  console.error(
    isFlagError ? `${error.message} See --help.` : `The proxy cannot run: ${describeError(error)}${advice}`,
  );
  process.exitCode = isFlagError ? 2 : 1;
}
