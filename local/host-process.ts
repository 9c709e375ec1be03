import { type RunningChild, startChild } from './child-process.ts';

/** The Functions host in a process of its own, as it runs in Azure. */
export type HostProcess = Pick<RunningChild, 'url' | 'exited' | 'stop' | 'kill'>;

/** What a host process is started with. */
export interface HostProcessOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Where keys and timer status are kept. */
  readonly stateDir: string;
  /** App settings; they win over local.settings.json. */
  readonly settings: Readonly<Record<string, string>>;
  /** A PEM file of a certificate to trust beside the public ones. */
  readonly certPath: string;
  readonly enableAuth?: boolean;
  readonly print: (line: string) => void;
}

/**
 * Starts the host on the built app in the current folder.
 *
 * @throws {SluiceError} when it ends before it is ready, or is not ready in time.
 */
export function startHostProcess(options: HostProcessOptions): Promise<HostProcess> {
  const { port, stateDir, settings, certPath, enableAuth, print } = options;
  return startChild({
    script: 'local/functions-host/main.ts',
    args: ['--port', String(port), '--state', stateDir, ...(enableAuth ? ['--enable-auth'] : [])],
    env: { ...settings, NODE_EXTRA_CA_CERTS: certPath },
    print,
  });
}
