import { HostError } from './host-error.ts';

/** Values of a matched route's parameters, decoded; a missing optional one is left out. */
export type RouteParams = Record<string, string>;

/** Gives the parameters when a path matches, else undefined. `segments` are still percent-encoded. */
export type RouteMatcher = (segments: readonly string[]) => RouteParams | undefined;

type Check = (value: string) => boolean;

interface Segment {
  /** Lower case; undefined for a parameter. */
  readonly literal: string | undefined;
  readonly name: string;
  readonly kind: 'required' | 'optional' | 'rest';
  readonly checks: readonly Check[];
}

const isNumber: Check = (value) => /^[+-]?\d+(\.\d+)?$/.test(value);

/** learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints */
const constraints: Readonly<Record<string, (a: number, b: number) => Check>> = {
  int: () => (value) => /^[+-]?\d{1,10}$/.test(value) && Math.abs(Number(value)) < 2 ** 31,
  long: () => (value) => /^[+-]?\d{1,19}$/.test(value),
  bool: () => (value) => /^(true|false)$/i.test(value),
  alpha: () => (value) => /^[a-z]*$/i.test(value),
  guid: () => (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value),
  decimal: () => isNumber,
  double: () => isNumber,
  float: () => isNumber,
  required: () => (value) => value !== '',
  min: (least) => (value) => isNumber(value) && Number(value) >= least,
  max: (most) => (value) => isNumber(value) && Number(value) <= most,
  range: (least, most) => (value) => isNumber(value) && Number(value) >= least && Number(value) <= most,
  minlength: (least) => (value) => value.length >= least,
  maxlength: (most) => (value) => value.length <= most,
  length: (least, most) => (value) => value.length >= least && value.length <= (most ?? least),
};

/** The segments of a request's path; a slash at the end counts for nothing, as in ASP.NET. */
export function splitPath(path: string): string[] {
  const segments = path.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  return segments;
}

/**
 * Compiles an ASP.NET route template: literals (matched without case), `{name}`, `{name?}`, `{*rest}` and
 * constraints such as `{id:int}` or `{name:length(2,8)}`.
 *
 * @throws {HostError} saying what in `template` is wrong or not supported.
 */
export function compileRoute(template: string): RouteMatcher {
  const segments = template === '' ? [] : template.split('/').map((text) => parseSegment(text, template));
  const names = segments.flatMap(({ name }) => (name === '' ? [] : [name.toLowerCase()]));
  if (new Set(names).size < names.length) throw wrong(template, 'a parameter name occurs twice');
  segments.forEach(({ kind }, index) => {
    const later = segments.slice(index + 1);
    if (kind === 'rest' && later.length > 0)
      throw wrong(template, 'a catch-all parameter must be the last segment');
    if (kind === 'optional' && later.some((next) => next.kind === 'required')) {
      throw wrong(template, 'an optional parameter must be at the end');
    }
  });
  return (path) => match(segments, path);
}

function parseSegment(text: string, template: string): Segment {
  if (text === '') throw wrong(template, 'it must not begin with "/", end with "/" or hold "//"');
  if (!/[{}]/.test(text)) return { literal: text.toLowerCase(), name: '', kind: 'required', checks: [] };
  const [, stars, name, inline, optional] =
    /^\{(\*{0,2})(\w+)((?::\w+(?:\([^()]*\))?)*)(\??)\}$/.exec(text) ?? [];
  if (name === undefined) {
    throw wrong(
      template,
      `"${text}" is not supported: a segment is text, {name}, {name?}, {name:constraint} or {*name}`,
    );
  }
  return {
    literal: undefined,
    name,
    kind: stars !== '' ? 'rest' : optional !== '' ? 'optional' : 'required',
    checks: (inline ?? '')
      .split(':')
      .slice(1)
      .map((constraint) => parseConstraint(constraint, template)),
  };
}

function parseConstraint(text: string, template: string): Check {
  const [, name = '', list = ''] = /^(\w+)(?:\((.*)\))?$/.exec(text) ?? [];
  if (name === 'regex' && list !== '') return matching(list, template);
  const make = Object.hasOwn(constraints, name) ? constraints[name] : undefined;
  const [a, b] = list === '' ? [] : list.split(',').map(Number);
  if (!make || Number.isNaN(a ?? 0) || Number.isNaN(b ?? 0) || make.length > 0 !== (a !== undefined)) {
    throw wrong(
      template,
      `constraint "${text}" is not known; there are ${Object.keys(constraints).join(', ')}, regex`,
    );
  }
  return make(a ?? 0, b ?? a ?? 0);
}

/** Without case, as ASP.NET's `RegexRouteConstraint`. */
function matching(pattern: string, template: string): Check {
  try {
    const expression = new RegExp(pattern, 'i');
    return (value) => expression.test(value);
  } catch {
    throw wrong(template, `"${pattern}" is no regular expression`);
  }
}

function match(segments: readonly Segment[], path: readonly string[]): RouteParams | undefined {
  const params: RouteParams = {};
  for (const [index, segment] of segments.entries()) {
    const part = path[index];
    if (segment.literal !== undefined) {
      if (part === undefined || decode(part).toLowerCase() !== segment.literal) return undefined;
      continue;
    }
    if (part === undefined || (part === '' && segment.kind !== 'rest')) {
      if (segment.kind === 'required' || part === '') return undefined;
      continue;
    }
    const value = segment.kind === 'rest' ? path.slice(index).map(decode).join('/') : decode(part);
    if (!segment.checks.every((check) => check(value))) return undefined;
    params[segment.name] = value;
    if (segment.kind === 'rest') return params;
  }
  return path.length > segments.length ? undefined : params;
}

/** An encoded slash stays encoded, as ASP.NET leaves it. */
function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment.replace(/%(?=2f)/gi, '%25'));
  } catch {
    return segment;
  }
}

function wrong(template: string, what: string): HostError {
  return new HostError(`route template "${template}": ${what}`);
}
