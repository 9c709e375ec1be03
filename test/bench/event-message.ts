/** A whole HTTP request that brings one event; the event's number is written into it before it is sent. */
export interface EventMessage {
  readonly bytes: Buffer;
  setId(id: number): void;
}

const idDigits = 12;
const bodyBytes = 1024;

/** `POST` of a CloudEvent in structured mode whose JSON is 1,024 bytes; its id is its number, with leading zeros. */
export function createEventMessage(url: URL): EventMessage {
  const body = eventJson();
  const head = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    'content-type: application/cloudevents+json',
    `content-length: ${Buffer.byteLength(body)}`,
  ].join('\r\n');
  const bytes = Buffer.from(`${head}\r\n\r\n${body}`);
  const idStart = bytes.indexOf(placeholder);
  return {
    bytes,
    setId: (id) => {
      bytes.write(String(id).padStart(idDigits, '0'), idStart, 'latin1');
    },
  };
}

const placeholder = '#'.repeat(idDigits);

/** An order as shops send it: nested, with UUIDs, numbers and texts. */
function eventJson(): string {
  const event = (note: string) =>
    JSON.stringify({
      specversion: '1.0',
      id: placeholder,
      source: '/shop/checkout',
      type: 'com.example.order.placed',
      subject: 'customer-4711',
      time: '2026-01-31T12:00:00.000Z',
      datacontenttype: 'application/json',
      data: {
        orderId: '0b5c0a4e-3e4f-4f6a-9d57-2f1f5f3c7e21',
        customer: { id: 4711, name: 'Ada Lovelace', email: 'ada@example.com', country: 'GB' },
        lines: ['tea', 'milk', 'sugar', 'cups', 'spoons'].map((name, index) => ({
          sku: `sku-${index + 1}`,
          name,
          quantity: index + 1,
          price: 1.25 * (index + 1),
        })),
        total: 68.75,
        currency: 'GBP',
        note,
      },
    });
  return event('x'.repeat(bodyBytes - event('').length));
}
