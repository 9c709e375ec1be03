import { z } from 'zod';
import type { EndpointState } from '../../drain/endpoint-state.ts';

const rowKey = 'endpoint';

// Times are text: a number beyond 32 bits may come back as another type.
const ms = z
  .string()
  .regex(/^\d+(\.\d+)?$/)
  .transform(Number);

const entity = z.object({
  partitionKey: z.string(),
  state: z.enum(['active', 'paused', 'broken', 'disabled']),
  sinceMs: ms,
  why: z.string(),
  probeAtMs: ms,
  openings: z.int(),
});

/** Keys of an endpoint's state. A checkpoint's row key has a colon, so none is called so. */
export function endpointKeys(subscription: string) {
  return { partitionKey: subscription, rowKey };
}

/** Whether a row is an endpoint's state, not a checkpoint. */
export function isEndpoint(row: { readonly rowKey?: string }): boolean {
  return row.rowKey === rowKey;
}

/** An endpoint's state as a table entity. */
export function toEndpointEntity({ subscription, state, sinceMs, why, probeAtMs, openings }: EndpointState) {
  const times = { sinceMs: String(sinceMs), probeAtMs: String(probeAtMs) };
  return { ...endpointKeys(subscription), state, why, openings, ...times } satisfies z.input<typeof entity>;
}

/**
 * Reads an entity back.
 *
 * @throws {z.ZodError} when something else than {@link toEndpointEntity} wrote it.
 */
export function fromEndpointEntity(row: unknown): EndpointState {
  const { partitionKey: subscription, ...endpoint } = entity.parse(row);
  return { subscription, ...endpoint };
}
