import { z } from 'zod';
import { type CloudEvent, parseCloudEvent } from '../events/cloud-event.ts';
import { SluiceError } from '../shared/error.ts';
import { isNestedDeeperThan } from '../shared/json.ts';

/** Azure Event Grid's own schema (learn.microsoft.com, "Azure Event Grid event schema"). */
const eventGridEvent = z.object({
  id: z.string().min(1),
  topic: z.string().min(1).optional(),
  subject: z.string(),
  eventType: z.string().min(1),
  eventTime: z.string(),
  data: z.unknown(),
  dataVersion: z.string().optional(),
});

/** An event from Event Grid that is of neither schema, or nested too deeply. It will be no better when it comes again. */
export class EventGridError extends SluiceError {
  constructor(code: 'event-grid.invalid' | 'event-grid.too-deep', message: string) {
    super({ code, message, retryable: false });
  }
}

/**
 * Reads what the Event Grid trigger hands over: a CloudEvent, or an event of the Event Grid schema, whose topic,
 * event type and event time become source, type and time as Event Grid itself maps them.
 *
 * @throws {EventGridError} naming what is wrong.
 */
export function fromEventGrid(input: unknown, { depthMax }: { readonly depthMax: number }): CloudEvent {
  if (isNestedDeeperThan(input, depthMax)) {
    const message = `arrays and objects stand more than ${depthMax} deep inside one another (limits.depthMax)`;
    throw new EventGridError('event-grid.too-deep', message);
  }
  const isCloudEvent = typeof input === 'object' && input !== null && 'specversion' in input;
  const parsed = parseCloudEvent(isCloudEvent ? input : convert(input));
  if (parsed.ok) return parsed.event;
  throw new EventGridError('event-grid.invalid', `${parsed.problem.attribute} ${parsed.problem.message}`);
}

function convert(input: unknown): object {
  const parsed = eventGridEvent.safeParse(input);
  if (!parsed.success) {
    throw new EventGridError(
      'event-grid.invalid',
      `neither a CloudEvent nor of the Event Grid schema: ${z.prettifyError(parsed.error)}`,
    );
  }
  const { id, topic, subject, eventType, eventTime, data, dataVersion } = parsed.data;
  return {
    specversion: '1.0',
    id,
    source: topic ?? '/eventgrid',
    type: eventType,
    time: eventTime,
    datacontenttype: 'application/json',
    ...(subject !== '' && { subject }),
    ...(dataVersion && { dataversion: dataVersion }),
    data,
  };
}
