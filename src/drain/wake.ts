import { type Clock, noLongerNeeded } from '../shared/clock.ts';

/** Lets a loop rest until something has happened, or a time has come. */
export interface Wake {
  /** Something has happened. */
  call(): void;
  /** Rests until `call`, or until `atMs` (milliseconds since the epoch); at once when called since the last rest. */
  rest(atMs: number): Promise<void>;
  /** Gives up the alarm. */
  close(): void;
}

/**
 * Makes a wake. Its one alarm is set anew only when it has to ring earlier: a loop that is called often rests without a
 * timer of its own each time, and may be woken for nothing.
 */
export function createWake(clock: Clock): Wake {
  let called = false;
  let resume: (() => void) | undefined;
  let alarm: { readonly atMs: number; readonly ended: AbortController } | undefined;

  const call = () => {
    called = true;
    resume?.();
  };
  const close = () => {
    alarm?.ended.abort(noLongerNeeded);
    alarm = undefined;
  };
  const ringAt = (atMs: number) => {
    close();
    const ended = new AbortController();
    alarm = { atMs, ended };
    clock.sleep(atMs - clock.now(), ended.signal).then(
      () => {
        alarm = undefined;
        call();
      },
      () => undefined,
    );
  };

  return {
    call,
    close,
    async rest(atMs) {
      if (!called) {
        if (alarm === undefined || alarm.atMs > atMs) ringAt(atMs);
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
        resume = undefined;
      }
      called = false;
    },
  };
}
