import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificate } from '../../local/certificate.ts';
import type { ChildOptions } from '../../local/child-process.ts';
import { exampleSettings } from '../../local/stack.ts';
import { startTokenIssuer } from '../../local/token-issuer.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { type Child, startChild } from './child.ts';

/** What every benchmark has under it: the token issuer, and a way to start parts that end with the stage. */
export interface Stage extends AsyncDisposable {
  /** A folder that is gone when the stage is. */
  readonly dir: string;
  /** What is started on the stage and no child of its own ends with it, too. */
  readonly parts: AsyncDisposableStack;
  start(child: Omit<ChildOptions, 'print'>): Promise<Child>;
  /** An app of test/bench/apps under the local Functions host. It can be asked for its {@link HostFigures}. */
  startHost(app: 'bridge' | 'ceiling', env?: Readonly<Record<string, string>>): Promise<Child>;
  /** App settings by which the bridge reaches the issuer, and a proxy at this URL. */
  settingsFor(proxyUrl: string): Readonly<Record<string, string>>;
}

/** What the process of the Functions host tells when it is asked. */
export interface HostFigures {
  readonly rssBytes: number;
  /** Requests by which it changed a table, since it started. */
  readonly tableWrites: number;
}

/** What the Functions host says when all is well. */
const banner = /^(?:\t.*|Functions:|Host is listening on .*)?$/;

/** Opens a stage with the token issuer that the bridge needs, in this process: one token serves a whole run. */
export async function openStage(options: { readonly print: (line: string) => void }): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  opening.defer(() => rm(dir, { recursive: true, force: true }));
  const certificate = await ensureCertificate({ dir: join(dir, 'tls'), clock: systemClock });
  const identity = exampleSettings();
  const issuer = await startTokenIssuer({
    port: 0,
    tls: certificate,
    tenantId: identity.KAFKA_REST_TENANT_ID,
    clients: [
      {
        clientId: identity.KAFKA_REST_CLIENT_ID,
        clientSecret: identity.KAFKA_REST_CLIENT_SECRET,
        groups: [],
      },
    ],
  });
  opening.defer(() => issuer.close());

  const print = (line: string) => {
    if (!banner.test(line)) options.print(line);
  };
  const parts = opening.move();
  const start = async (child: Omit<ChildOptions, 'print'>) => {
    const started = await startChild({ ...child, print });
    parts.defer(() => started.stop());
    return started;
  };
  return {
    dir,
    parts,
    start,
    startHost: (app, env = {}) =>
      start({
        script: 'local/functions-host/main.ts',
        args: ['--port', '0', '--script-root', `test/bench/apps/${app}`, '--state', join(dir, app)],
        preload: './test/bench/children/host-probe.ts',
        env,
      }),
    settingsFor: (proxyUrl) => ({
      ...identity,
      KAFKA_REST_URL: proxyUrl,
      KAFKA_REST_AUTHORITY: issuer.authority,
      NODE_EXTRA_CA_CERTS: certificate.certPath,
    }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
