/** A `Content-Type` taken apart: the type in lower case, without its parameters, and its charset, if it has one. */
export interface MediaType {
  /** Such as `application/json`; empty when there is no content type. */
  readonly essence: string;
  /** In lower case. */
  readonly charset: string | undefined;
}

/** Takes a `Content-Type` header apart (RFC 9110, section 8.3.1). */
export function parseMediaType(contentType: string | undefined): MediaType {
  const [essence = '', ...parameters] = (contentType ?? '').toLowerCase().split(';');
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^\s"]*)"?\s*$/.exec(parameter)?.[1])
    .find((value) => value !== undefined);
  return { essence: essence.trim(), charset };
}

/** True when the text is UTF-8 by its declaration, or nothing is declared. */
export function isUtf8({ charset }: MediaType): boolean {
  return charset === undefined || charset === 'utf-8' || charset === 'utf8';
}

/** True when the data is JSON: a subtype `json`, or one that ends in `+json` (json-format.md, section 3.1.1). */
export function isJson({ essence }: MediaType): boolean {
  return /^[^/]+\/(?:[^/]+\+)?json$/.test(essence);
}
