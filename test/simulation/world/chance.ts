import type { Random } from '../../../src/shared/clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

/** One stream of chance. Streams of one seed do not disturb each other: what one draws, no other misses. */
export interface Chance {
  /** A number in [0, 1). */
  readonly next: Random;
  /** True with this probability. */
  happens(probability: number): boolean;
  /** An integer from `min` to `max`, both included. */
  integer(min: number, max: number): number;
  /** One of a list that is not empty. */
  oneOf<T>(list: readonly T[]): T;
  /** Mostly near `typical`, now and then much more, never beyond `max`; whole milliseconds. */
  latencyMs(typical: number, max: number): number;
}

/** The stream called `name` of a seed (over a hash of both). */
export function createChance(seed: number, name: string): Chance {
  const next = seededRandom(hashOf(`${seed}/${name}`));
  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    integer,
    happens: (probability) => probability > 0 && next() < probability,
    oneOf: (list) => list[integer(0, list.length - 1)] as (typeof list)[number],
    latencyMs: (typical, max) => {
      const spread = typical * (0.5 + next());
      return Math.min(max, Math.round(next() < 0.05 ? spread * 20 * next() : spread));
    },
  };
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
