import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { parseArgs } from 'node:util';
import { describeError } from '../src/shared/error.ts';
import { defaultAudience, type ProxyAuth } from './auth.ts';

/** What `--help` prints. */
export const usage = `Serves the contract of the HDInsight Kafka REST proxy from an embedded log.

Usage: node proxy/main.ts (--issuer URL --group ID | --no-auth) [flags]

  --port N                 listen here; 0 takes any free port (9400)
  --host NAME              (localhost)
  --data FILE              keep the log in this file; without it, in memory
  --tls-key FILE           serve HTTPS with this PEM key and
  --tls-cert FILE          this PEM certificate
  --issuer URL             let in tokens of this issuer
  --group ID               whose claim "groups" holds this security group
  --audience URI           and which are for this audience (${defaultAudience})
  --issuer-ca FILE         trust this PEM certificate authority when asking the issuer
  --no-auth                let in everyone
  --visibility-delay-ms N  how long a new topic goes unseen (0)
  --control                open /control/faults, which injects faults
  --help                   print this
`;

/** What the command line asks for. */
export interface Flags {
  readonly help: boolean;
  readonly port: number;
  readonly host: string;
  /** The log's file, or `:memory:`. */
  readonly data: string;
  readonly tls: { readonly key: string; readonly cert: string } | undefined;
  readonly auth: ProxyAuth | undefined;
  readonly visibilityDelayMs: number;
  readonly control: boolean;
}

/** A command line that cannot be followed; the message is one line and says what would be right. */
export class FlagError extends Error {
  override readonly name = 'FlagError';
}

/** Reads the command line and the PEM files it names. @throws {FlagError} */
export function readFlags(args: readonly string[]): Flags {
  const values = parse(args);
  return {
    help: values.help,
    port: readInteger('--port', values.port, 65_535),
    host: values.host,
    data: values.data,
    tls: readTls(values['tls-key'], values['tls-cert']),
    auth: values.help ? undefined : readAuth(values),
    visibilityDelayMs: readInteger('--visibility-delay-ms', values['visibility-delay-ms'], 3_600_000),
    control: values.control,
  };
}

type Values = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: 'string', default: '9400' },
        host: { type: 'string', default: 'localhost' },
        data: { type: 'string', default: ':memory:' },
        'tls-key': { type: 'string' },
        'tls-cert': { type: 'string' },
        issuer: { type: 'string' },
        group: { type: 'string' },
        audience: { type: 'string', default: defaultAudience },
        'issuer-ca': { type: 'string' },
        'no-auth': { type: 'boolean', default: false },
        'visibility-delay-ms': { type: 'string', default: '0' },
        control: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new FlagError(`${line.replace(/\.$/, '')}.`);
  }
}

function readAuth(values: Values): ProxyAuth | undefined {
  const { issuer, group, audience } = values;
  if (values['no-auth']) {
    if (issuer === undefined && group === undefined) return undefined;
    throw new FlagError('--no-auth cannot go with --issuer or --group: leave out one or the other.');
  }
  if (issuer === undefined || group === undefined) {
    throw new FlagError('Say who may call: give --issuer and --group, or --no-auth to let in everyone.');
  }
  if (!/^https?:$/.test(URL.parse(issuer)?.protocol ?? '')) {
    throw new FlagError(`--issuer must be an http or https URL, not "${issuer}".`);
  }
  const ca = values['issuer-ca'];
  return {
    issuer,
    groupId: group,
    audience,
    ...(ca === undefined ? {} : { issuerCa: readCertificate('--issuer-ca', ca) }),
  };
}

function readTls(keyFile: string | undefined, certFile: string | undefined): Flags['tls'] {
  if (keyFile === undefined && certFile === undefined) return undefined;
  if (keyFile === undefined || certFile === undefined) {
    throw new FlagError('--tls-key and --tls-cert go together: give both or neither.');
  }
  const tls = { key: readPem('--tls-key', keyFile), cert: readPem('--tls-cert', certFile) };
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new FlagError(
      `--tls-key and --tls-cert must be a private key and its certificate in PEM: ${describeError(error)}.`,
    );
  }
  return tls;
}

function readCertificate(flag: string, file: string): string {
  const pem = readPem(flag, file);
  try {
    new X509Certificate(pem);
  } catch (error) {
    throw new FlagError(`${flag} must be a certificate in PEM: ${describeError(error)}.`);
  }
  return pem;
}

function readPem(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new FlagError(`${flag} cannot be read: ${describeError(error)}.`);
  }
}

function readInteger(flag: string, text: string, max: number): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
  if (value >= 0 && value <= max) return value;
  throw new FlagError(`${flag} must be an integer from 0 to ${max}, not "${text}".`);
}
