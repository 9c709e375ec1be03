import type { HttpRequest } from '../../../src/shared/http.ts';
import type { Instance } from '../platform/instance.ts';
import type { World } from '../world/world.ts';
import type { Course } from './course.ts';
import { type Place, placesOf } from './places.ts';

/** A request that a target of a replay has answered. */
export interface Replayed {
  /** The host of the target, which stands for one replay. */
  readonly target: string;
  readonly caller: Instance;
  readonly places: readonly Place[];
  readonly status: number;
}

/** The targets to which operators replay, each for one replay alone. */
export interface ReplaysModel {
  serve(request: HttpRequest, caller: Instance): Course;
  /** Tells of every request that is answered. */
  onAnswer(listener: (replayed: Replayed) => void): void;
}

/** Where replays go: `https://<name>.replay.test/`. */
export const replayHost = 'replay.test';

/** Some of what comes is not taken. */
const failedShare = 0.1;
const legMsMax = 50;

export function createReplays(world: World): ReplaysModel {
  const chance = world.chance('replays');
  const listeners: ((replayed: Replayed) => void)[] = [];
  return {
    onAnswer: (listener) => listeners.push(listener),
    serve(request, caller) {
      if (request.headers.authorization !== undefined) {
        world.violated('the bridge proves itself', `${request.url} gets a token of another endpoint`);
      }
      const status = chance.happens(failedShare) ? chance.oneOf([500, 503, 422]) : 200;
      const handle = () => {
        const target = new URL(request.url).hostname;
        const places = placesOf(request);
        world.note(target, () => `answers ${status} to ${request.headers['webhook-id']} (${caller.name})`);
        for (const listener of listeners) listener({ target, caller, places, status });
        return { status, headers: {}, body: '' };
      };
      const legMs = () => chance.integer(1, legMsMax);
      return { kind: 'answered', arrivesAfterMs: legMs(), answersAfterMs: legMs(), handle };
    },
  };
}
