import type { Clock } from '../../src/shared/clock.ts';
import type { HostLog } from './host-log.ts';
import type { Exchange } from './http-server.ts';
import type { Invocation, Invoke } from './invoke.ts';
import type { Keys } from './keys.ts';
import type { AppFunction } from './load-app.ts';
import type { HostSettings } from './settings.ts';

/** How long a host that closes waits for what is under way. */
export const drainTimeoutMs = 10_000;

/** What the host gives to each kind of trigger. */
export interface TriggerParts {
  readonly clock: Clock;
  readonly log: HostLog;
  readonly settings: HostSettings;
  readonly env: NodeJS.ProcessEnv;
  /** A directory of the host's own that outlives it. */
  readonly stateDir: string;
  /** Missing when callers need no keys. */
  readonly keys: Keys | undefined;
  readonly invoke: Invoke;
}

/** One kind of trigger: everything the host knows about functions that are started that way. */
export interface Trigger {
  /** Takes in a function of this kind. @throws {HostError} when its binding cannot work. */
  add(fn: AppFunction): void;
  /** What the list of functions says of it. */
  describe(fn: AppFunction, baseUrl: string): string;
  /** The invocation that `POST /admin/functions/{name}` asks for. */
  manual(fn: AppFunction, input: string | undefined): Invocation;
  /** Answers a request that is for this kind; undefined when it is for another. */
  answer?(exchange: Exchange): Promise<void> | undefined;
  /** Begins to fire; called once the host listens. */
  start?(): void;
  /**
   * Fires no more; invocations under way go on. Waits up to `drainTimeoutMs` for what is left to be done after them,
   * such as the removal of their messages.
   */
  stop?(): Promise<void>;
}

/** Makes one kind of trigger for a host. */
export type TriggerFactory = (parts: TriggerParts) => Trigger;
