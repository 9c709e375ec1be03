import type { Delivery, PreparedRecord } from '../delivery/deliver.ts';
import type { Verdict } from '../delivery/verdict.ts';
import { Gate, type GateOptions } from '../drain/gate.ts';
import type { StoredEndpoint } from '../drain/ports.ts';
import type { Attempt } from '../events/dead-letter.ts';
import type { OperatedSubscription, OperateOptions } from './ports.ts';

/** Why an operator's run ends before everything was tried. */
export interface Stopped {
  readonly why: string;
  /** In how many milliseconds it may go on; null: not before somebody resumes the endpoint. */
  readonly goOnInMs: number | null;
}

/** An attempt that was let in. */
export interface GatedAttempt {
  readonly attempt: Attempt;
  readonly verdict: Verdict;
  /** To be called once what came of it is kept: tells the gate. @throws what the store throws. */
  leave(): Promise<void>;
}

/** A delivery whose attempts pass a gate. */
export interface GatedDelivery extends Pick<Delivery, 'batch' | 'prepare'> {
  /** Why no attempt can be made now; undefined: one can. @throws what the store throws. */
  stopped(): Promise<Stopped | undefined>;
  /** One attempt, as soon as the rate allows it. @throws what the store throws. */
  attempt(prepared: readonly PreparedRecord[], failures: number): Promise<GatedAttempt | Stopped>;
}

/**
 * Holds an operator's run to the limits that the drain keeps to, as one more instance would be held: calls at once, calls
 * a second, what a receiver asks for by `Retry-After`, the circuit breaker, and the state that all instances share.
 * With `ownState` that state is neither read nor changed, and what is learnt of the target lasts for the run.
 */
export function createGatedDelivery(
  { checkpoints, clock }: Pick<OperateOptions, 'checkpoints' | 'clock'>,
  run: OperatedSubscription & { readonly name: string; readonly ownState: boolean },
): GatedDelivery {
  const { delivery } = run;
  const gate = new Gate({
    subscription: run.name,
    limits: run.limits,
    allowedPerSecond: () => delivery.allowedPerSecond?.(),
    attemptMs: run.settings.endpoint.timeoutMs,
    checkpoints: run.ownState ? createOwnState() : checkpoints,
    clock,
  });
  const visitor = {};

  function whyStopped(): Stopped {
    const { state, why } = gate.endpoint;
    const { opensAtMs } = gate;
    return {
      why:
        state === 'active'
          ? 'the endpoint is left alone for a while, as Retry-After or ratePerSecond asks'
          : `the endpoint is ${state}: ${why}`,
      goOnInMs: Number.isFinite(opensAtMs) ? Math.max(0, opensAtMs - clock.now()) : null,
    };
  }

  return {
    batch: delivery.batch,
    prepare: (record) => delivery.prepare(record),

    async stopped() {
      await gate.shared.refresh();
      return gate.isShut() ? whyStopped() : undefined;
    },

    async attempt(prepared, failures) {
      const admission = (await gate.admit(visitor)) ? await gate.enter(visitor) : 'refused';
      if (admission === 'refused') {
        gate.exit(visitor);
        return whyStopped();
      }
      try {
        const attempted = await delivery.attempt(prepared, failures);
        return { ...attempted, leave: async () => gate.leave(admission, attempted.verdict) };
      } catch (error) {
        await gate.leave(admission);
        throw error;
      }
    },
  };
}

/** Keeps the state of a target for as long as a run lasts. */
function createOwnState(): GateOptions['checkpoints'] {
  let stored: StoredEndpoint | undefined;
  const write = async (endpoint: StoredEndpoint['endpoint']) => {
    stored = { endpoint, version: '' };
    return stored;
  };
  return { readEndpoint: async () => stored, createEndpoint: write, replaceEndpoint: write };
}
