import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeError } from '../src/shared/error.ts';
import { UsageError } from './command.ts';

/** The app that a command speaks to. */
export interface Target {
  /** Without a slash at its end. */
  readonly url: string;
  /** Its master key; undefined: none is known, and a local host asks for none. */
  readonly key: string | undefined;
}

/** Where Core Tools and the local stack listen. */
const localUrl = 'http://localhost:7071';
const localNames = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Finds the app and its key: what the command line says, else SLUICE_URL and SLUICE_KEY of the environment or of
 * local.settings.json, else the local host and, for that alone, the key that it made for itself.
 *
 * @throws {UsageError} when the URL is none, or a file cannot be read.
 */
export function findTarget(options: {
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The repository's root. */
  readonly root: string;
}): Target {
  const { env, root } = options;
  const settings = readStrings(join(root, 'local.settings.json'), 'Values');
  const url = options.url ?? env.SLUICE_URL ?? settings.SLUICE_URL ?? localUrl;
  if (!/^https?:\/\/[^?#]+$/.test(url) || !URL.canParse(url)) {
    const from = options.url === undefined ? 'SLUICE_URL' : '--url';
    throw new UsageError(`${from} must be the address of the app, such as ${localUrl}, not "${url}"`);
  }
  const isLocal = localNames.has(new URL(url).hostname);
  const hostKey = isLocal ? readStrings(join(root, '.local/host/keys.json')).master : undefined;
  return {
    url: url.replace(/\/+$/, ''),
    key: options.key ?? env.SLUICE_KEY ?? settings.SLUICE_KEY ?? hostKey,
  };
}

/** The strings of a JSON object, or of one within; none when there is no such file. */
function readStrings(path: string, within?: string): Readonly<Record<string, string | undefined>> {
  if (!existsSync(path)) return {};
  try {
    const document = JSON.parse(readFileSync(path, 'utf8'));
    const found: unknown = within === undefined ? document : document?.[within];
    const entries = typeof found === 'object' && found !== null ? Object.entries(found) : [];
    return Object.fromEntries(
      entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${describeError(error)}`);
  }
}
