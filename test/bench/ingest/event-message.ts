import { idPlaceholder, orderEventJson } from '../order-event.ts';

/** A whole HTTP request that brings one event; the event's number is written into it before it is sent. */
export interface EventMessage {
  readonly bytes: Buffer;
  setId(id: number): void;
}

const bodyBytes = 1024;

/** `POST` of a CloudEvent in structured mode whose JSON is 1,024 bytes; its id is its number, with leading zeros. */
export function createEventMessage(url: URL): EventMessage {
  const body = orderEventJson(bodyBytes);
  const head = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    'content-type: application/cloudevents+json',
    `content-length: ${Buffer.byteLength(body)}`,
  ].join('\r\n');
  const bytes = Buffer.from(`${head}\r\n\r\n${body}`);
  const idStart = bytes.indexOf(idPlaceholder);
  return {
    bytes,
    setId: (id) => {
      bytes.write(String(id).padStart(idPlaceholder.length, '0'), idStart, 'latin1');
    },
  };
}
