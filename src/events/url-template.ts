import { assert } from '../shared/assert.ts';
import { compileTemplate, type Render, splitTemplate, templateProblem } from './template.ts';

/** Scheme and authority, and nothing that could stand for a value of an event or be read as the start of a path. */
const fixedPart = /^https?:\/\/[^/?#\\{}\s]+(?=[/?]|$)/i;
/** A segment that means another one (RFC 3986, section 5.2.4), in each spelling that the URL Standard knows. */
const dotSegment = /^(?:\.|%2e){1,2}$/i;

/** Servers take no longer ones (RFC 9112, section 3, asks for 8,000 octets), and a record's value can be a megabyte. */
const urlCharsMax = 8_000;

/** Why `text` is neither a URL nor a template for one with values in path and query only; undefined when it is. */
export function urlTemplateProblem(text: string): string | undefined {
  const problem = templateProblem(text);
  if (problem !== undefined) return problem;
  const [start] = fixedPart.exec(text) ?? [];
  if (start === undefined)
    return 'must begin with https:// and a fixed host: values may stand in path and query';
  if (start.includes('@')) return 'must not carry a user name or password';
  return text.includes('#') ? 'must not have a fragment (#): it is never sent' : undefined;
}

/**
 * Makes URLs of events. Values are percent-encoded, so none can end a segment of the path or a parameter of the
 * query, let alone reach the host; those that would make a segment `.` or `..`, or too long a URL, are refused.
 *
 * @throws {AssertionError} when `text` is no template for URLs; the configuration has made sure of it.
 */
export function compileUrl(text: string): Render {
  const problem = urlTemplateProblem(text);
  assert(problem === undefined, `"${text}" ${problem}`);
  const { selectors } = splitTemplate(text);
  if (selectors.length === 0) return () => text;
  const render = compileTemplate(text, {
    what: 'the URL',
    write: encode,
    rule: 'must be text, and not empty,',
  });
  const [start = ''] = fixedPart.exec(text) ?? [];
  return (event) => {
    const url = render(event);
    if (typeof url !== 'string') return url;
    if (url.length > urlCharsMax) {
      const message = `would make a URL of ${url.length} characters; at most ${urlCharsMax} may be`;
      return { path: selectors.join(', '), message };
    }
    const [path = ''] = url.slice(start.length).split('?');
    if (!path.split(/[/\\]/).some((segment) => dotSegment.test(segment))) return url;
    return { path: selectors.join(', '), message: 'would make a segment "." or ".." of the URL' };
  };
}

/** Undefined for an empty value, and for one that is no text since it holds half of a surrogate pair. */
function encode(value: string): string | undefined {
  return value !== '' && value.isWellFormed() ? encodeURIComponent(value) : undefined;
}
