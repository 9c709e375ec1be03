import type { Delivery, PreparedRecord } from '../delivery/deliver.ts';
import type { Lane } from './lanes.ts';
import type { Outgoing } from './sending.ts';

/** A record that is ready to be sent. */
export interface Consignment {
  readonly outgoing: Outgoing;
  readonly prepared: PreparedRecord;
}

interface Request {
  readonly target: string;
  readonly consignments: Consignment[];
  bytes: number;
}

/**
 * Puts records into requests, to be sent one after another: as few as may be, each of one target and within the
 * limits. No record overtakes another of its lane.
 */
export function inRequests(
  consignments: readonly Consignment[],
  { recordsMax, bytesMax }: Delivery['batch'],
): Consignment[][] {
  if (consignments.length <= 1 || recordsMax === 1) return consignments.map((one) => [one]);
  const requests: Request[] = [];
  /** By target, the request that may take more: an index. */
  const open = new Map<string, number>();
  /** By lane, the last request that holds a record of it. */
  const lastOf = new Map<Lane, number>();
  for (const consignment of consignments) {
    const { outgoing, prepared } = consignment;
    const index = open.get(prepared.target) ?? -1;
    let request = requests[index];
    let at = index;
    const fits =
      request !== undefined &&
      request.consignments.length < recordsMax &&
      request.bytes + prepared.bytes <= bytesMax &&
      index >= (lastOf.get(outgoing.lane) ?? -1);
    if (request === undefined || !fits) {
      request = { target: prepared.target, consignments: [], bytes: 0 };
      at = requests.push(request) - 1;
      open.set(prepared.target, at);
    }
    request.consignments.push(consignment);
    request.bytes += prepared.bytes;
    lastOf.set(outgoing.lane, at);
  }
  return requests.map((request) => request.consignments);
}
