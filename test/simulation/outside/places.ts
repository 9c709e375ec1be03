import type { HttpRequest } from '../../../src/shared/http.ts';
import { placeProperty } from './topic-log.ts';

/** Where a record stands in the log. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** How often the topic had been made anew; undefined where that is not said. */
  readonly generation: number | undefined;
}

const marker = new RegExp(`${placeProperty}\\\\?":\\\\?"([\\w.-]+)/(\\d+)/(\\d+)(?:/(\\d+))?`, 'g');
const webhookId = /^([\w~-]+)_(\d+)_(\d+)$/;

const known = new WeakMap<HttpRequest, readonly Place[]>();

/** The records that a delivery carries, in its order: by what they say of themselves, or else by the webhook-id. */
export function placesOf(request: HttpRequest): readonly Place[] {
  let places = known.get(request);
  if (places === undefined) {
    places = readPlaces(request);
    known.set(request, places);
  }
  return places;
}

function readPlaces({ body = '', headers }: HttpRequest): readonly Place[] {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  const places = [...text.matchAll(marker)].map(([, topic = '', partition, offset, generation = '0']) => ({
    topic,
    partition: Number(partition),
    offset: Number(offset),
    generation: Number(generation),
  }));
  if (places.length > 0) return places;
  const place = placeOfWebhookId(headers['webhook-id'] ?? '');
  return place === undefined ? [] : [place];
}

/** The record that a webhook-id names; undefined for that of a batch. */
export function placeOfWebhookId(id: string): Place | undefined {
  const found = webhookId.exec(id);
  if (found === null) return undefined;
  const [, topic = '', partition, offset] = found;
  return {
    topic: topic.replaceAll('~', '.'),
    partition: Number(partition),
    offset: Number(offset),
    generation: undefined,
  };
}
