import { randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readJsonFile } from './json-file.ts';

/** What a caller must at least hold to be let in. */
export type AuthLevel = 'anonymous' | 'function' | 'system' | 'admin';

/** The keys of one app. */
export interface Keys {
  /** Whether `key` opens `level`; the master key opens all. */
  opens(level: AuthLevel, key: string | undefined): boolean;
  /** One line per key, with most of it masked. */
  describe(): string[];
}

const keyFile = z.object({
  master: z.string().min(1),
  /** Opens every function of the level `function`. */
  function: z.string().min(1),
  /** Opens `/runtime/webhooks/eventgrid`. */
  eventgrid_extension: z.string().min(1),
});

const keyBytes = 40;
const shownCharacters = 4;

/**
 * Reads the keys at `path`, made there at the first start, readable by the owner only.
 *
 * @throws {HostError} when the file is wrong.
 */
export function openKeys(path: string): Keys {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    const made = { master: makeKey(), function: makeKey(), eventgrid_extension: makeKey() };
    writeFileSync(path, `${JSON.stringify(made, undefined, 2)}\n`, { mode: 0o600 });
  }
  const keys = readJsonFile(path, keyFile);
  const accepted: Readonly<Record<Exclude<AuthLevel, 'anonymous'>, readonly string[]>> = {
    function: [keys.function, keys.master],
    system: [keys.eventgrid_extension, keys.master],
    admin: [keys.master],
  };
  return {
    opens: (level, key) =>
      level === 'anonymous' || accepted[level].some((candidate) => isSame(candidate, key)),
    describe: () => [
      ...Object.entries(keys).map(([name, key]) => `${name} key ${key.slice(0, shownCharacters)}...`),
      `all keys in ${path}`,
    ],
  };
}

function makeKey(): string {
  return randomBytes(keyBytes).toString('base64url');
}

function isSame(expected: string, given: string | undefined): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given ?? '')];
  return a.length === b.length && timingSafeEqual(a, b);
}
