import type { CloudEvent } from '../events/cloud-event.ts';
import { compileTemplate, splitTemplate } from '../events/template.ts';
import { compileUrl } from '../events/url-template.ts';
import type { ValueProblem } from '../events/value-problem.ts';

/** Where a record goes: the URL, and the headers that the configuration adds. */
export interface Target {
  /** The same for the same URL and headers, and for no others. */
  readonly key: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Finds the target of an event, or says which of its values makes none. */
export type TargetOf = (event: CloudEvent) => Target | ValueProblem;

/**
 * Reads the templates of an endpoint's URL and headers.
 *
 * @returns the one target, where they depend on no event.
 */
export function compileTarget(endpoint: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}): Target | TargetOf {
  const { url, headers } = endpoint;
  const texts = [url, ...Object.values(headers)];
  if (texts.every((text) => splitTemplate(text).selectors.length === 0)) return { key: url, url, headers };

  const renderUrl = compileUrl(url);
  const renderHeaders = Object.entries(headers).map(([name, text]) => ({
    name,
    render: compileTemplate(text, {
      what: `the header ${name}`,
      write: (value) => (/^[\x20-\x7e]*$/.test(value) ? value : undefined),
      rule: 'must be printable ASCII',
    }),
  }));
  return (event) => {
    const rendered = renderUrl(event);
    if (typeof rendered !== 'string') return rendered;
    let key = rendered;
    const values: Record<string, string> = {};
    for (const { name, render } of renderHeaders) {
      const value = render(event);
      if (typeof value !== 'string') return value;
      values[name] = value;
      key += `\n${value}`;
    }
    return { key, url: rendered, headers: values };
  };
}
