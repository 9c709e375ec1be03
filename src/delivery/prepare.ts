import { compileFilter, type EventFilter } from '../events/filter.ts';
import type { TopicRecord } from '../events/record.ts';
import type { Transform } from '../events/transform.ts';
import type { Delivery, Preparation, PreparedRecord } from './deliver.ts';
import { eventRead, type Subject, UnwritableError, type Writer, type Written } from './form.ts';
import { eventOf } from './record-event.ts';
import { compileTarget } from './target.ts';

/** A prepared record with all that a request needs of it. */
export interface Ready extends PreparedRecord {
  readonly url: string;
  /** What the configuration adds. */
  readonly headers: Readonly<Record<string, string>>;
  readonly written: Written;
}

/**
 * Makes the way from a record to one that can be sent. In this order: `filter` sees the event of the record,
 * `transform` changes it, and the templates of URL and headers and the form see what the transform made.
 */
export function createPrepare(options: {
  readonly filter: EventFilter | undefined;
  readonly transform: Transform | undefined;
  readonly endpoint: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
  readonly writer: Writer;
}): Delivery['prepare'] {
  const { transform, writer } = options;
  const isUnwanted = options.filter && compileFilter(options.filter);
  const target = compileTarget(options.endpoint);
  const looksInside = isUnwanted !== undefined || transform !== undefined || typeof target === 'function';
  const needs = looksInside ? 'event' : writer.needs;

  function write(subject: Subject): Preparation {
    const to = typeof target === 'function' ? target(eventRead(subject).event) : target;
    if ('message' in to) return failed('delivery.no-target', `${to.path} ${to.message}`);
    let written: Written;
    try {
      written = writer.write(subject);
    } catch (error) {
      if (error instanceof UnwritableError) return failed(error.code, error.message);
      throw error;
    }
    const { key, url, headers } = to;
    const bytes = Buffer.byteLength(written.body);
    const prepared: Ready = { record: subject.record, target: key, bytes, url, headers, written };
    return { kind: 'ready', prepared };
  }

  async function change(record: TopicRecord, transformOf: Transform, event: Parameters<Transform>[0]) {
    const changed = await transformOf(event);
    if (changed.kind === 'filtered') return filtered;
    if (changed.kind === 'failed') return failed('delivery.untransformable', changed.message);
    const read = { event: changed.event, text: JSON.stringify(changed.event) };
    return write({ record, read, transformed: true });
  }

  return (record) => {
    if (needs === 'record') return write({ record, read: undefined, transformed: false });
    if (needs === 'text') return write({ record, read: eventOf(record, JSON.parse), transformed: false });
    const read = eventOf(record);
    if (isUnwanted?.(read.event) !== undefined) return filtered;
    if (transform !== undefined) return change(record, transform, read.event);
    return write({ record, read, transformed: false });
  };
}

const filtered: Preparation = { kind: 'filtered' };

function failed(code: string, message: string): Preparation {
  return { kind: 'failed', reason: { code, message } };
}
