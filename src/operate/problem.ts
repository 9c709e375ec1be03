import { problemsOf } from '../shared/answer.ts';
import { SluiceError } from '../shared/error.ts';

/** Makes the problem document of a kind; `detail` says what is wrong this time and what would be right. */
export const problem = problemsOf({
  'invalid-request': { title: 'The request cannot be understood', status: 400 },
  'refused-target': { title: 'Nothing may be sent to this URL', status: 400 },
  'unknown-subscription': { title: 'There is no such subscription', status: 404 },
  'unknown-topic': { title: 'There is no such topic here', status: 404 },
  'unknown-partition': { title: 'There is no such partition', status: 404 },
  'unknown-origin': { title: 'No dead letters come from there', status: 404 },
  'unknown-dead-letter': { title: 'There is no such dead letter', status: 404 },
  'out-of-range': { title: 'The partition does not hold this offset', status: 409 },
  'not-begun': { title: 'The subscription has not begun the partition', status: 409 },
  'made-anew': { title: 'Records of the former topic are still parked', status: 409 },
  'endpoint-stopped': { title: 'No letter can be tried now', status: 409 },
  contended: { title: 'Somebody else is at work there', status: 409 },
  unavailable: { title: 'Something the operation needs cannot be reached', status: 503 },
});

/** Why an operation cannot be carried out; a key of the table above. */
export type ProblemKind = Parameters<typeof problem>[0];

/** An operation cannot be carried out as it was asked for; nothing of it was. */
export class OperateError extends SluiceError {
  readonly kind: ProblemKind;
  /** Every place where a request does not fit its schema; undefined: something else is wrong. */
  readonly places: readonly { readonly path: string; readonly message: string }[] | undefined;

  constructor(kind: ProblemKind, message: string, places?: OperateError['places']) {
    super({ code: `operate.${kind}`, message, retryable: kind === 'contended' });
    this.kind = kind;
    this.places = places;
  }
}
