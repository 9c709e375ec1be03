/** An HTTP answer, ready to be sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A problem document (RFC 9457). `type` is stable. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Everything that is wrong with the data, where several things can be. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

/** Makes the problem document of a kind; `detail` says what is wrong this time and what would be right. */
export type MakeProblem<Kind extends string> = (kind: Kind, detail: string) => Problem;

/** Makes problem documents of a table of kinds. */
export function problemsOf<Kind extends string>(
  kinds: Readonly<Record<Kind, { readonly title: string; readonly status: number }>>,
): MakeProblem<Kind> {
  return (kind, detail) => ({ type: typePrefix + kind, ...kinds[kind], detail });
}

const typePrefix = 'urn:sluice:problem:';

/** The kind of a problem document, for counting. */
export function kindOf({ type }: Problem): string {
  return type.slice(typePrefix.length);
}

/** The answer that carries a problem document. */
export function problemAnswer(document: Problem, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status: document.status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify(document),
  };
}

/** The answer that carries a JSON document. */
export function jsonAnswer(status: number, document: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(document) };
}
