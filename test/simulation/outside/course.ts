import type { HttpAnswer } from '../../../src/shared/http.ts';

/**
 * What becomes of a request on its way. `refused`: no connection comes to be. `stalls`: it is handled, but no answer
 * ever comes. `breaks`: it is handled, and the connection breaks instead of an answer.
 */
export type Course =
  | { readonly kind: 'refused'; readonly arrivesAfterMs: number }
  | { readonly kind: 'stalls'; readonly arrivesAfterMs: number; handle(): unknown }
  | {
      readonly kind: 'answered' | 'breaks';
      readonly arrivesAfterMs: number;
      readonly answersAfterMs: number;
      /** The answer does not say whether anything was done. */
      readonly leavesOpen?: boolean;
      handle(): HttpAnswer;
    };
