import { type CloudEvent, parseCloudEvent } from '../../events/cloud-event.ts';
import type { Content } from './content.ts';
import type { Description } from './provider.ts';

/** What stands in for what a delivery does not say of itself. */
export interface DeliveryDefaults {
  readonly id: string;
  readonly type: string;
  readonly nowMs: number;
}

/**
 * The event of a verified delivery. What the delivery says of itself comes from outside, so whatever breaks a rule
 * of CloudEvents is left out, and the default stands.
 */
export function toEvent(
  sourceName: string,
  content: Content,
  description: Description,
  defaults: DeliveryDefaults,
): CloudEvent {
  const said = Object.entries({ ...description, datacontenttype: content.datacontenttype }).filter(
    ([name, value]) => isAttribute(name, value),
  );
  return {
    specversion: '1.0',
    id: defaults.id,
    source: `/sources/${sourceName}`,
    type: defaults.type,
    time: new Date(defaults.nowMs).toISOString(),
    // Bytes need one: without it they would count as JSON.
    datacontenttype: 'data' in content ? 'application/json' : 'application/octet-stream',
    ...Object.fromEntries(said),
    ...('data' in content ? { data: content.data } : { data_base64: content.data_base64 }),
  };
}

function isAttribute(name: string, value: string | undefined): boolean {
  if (value === undefined) return false;
  return parseCloudEvent({ specversion: '1.0', id: '-', source: '/', type: '-', [name]: value }).ok;
}
