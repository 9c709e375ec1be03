/** Stands where the number of an event goes: its id is that number, with leading zeros. */
export const idPlaceholder = '#'.repeat(12);

/**
 * The JSON of a CloudEvent of so many bytes, with {@link idPlaceholder} for its id: an order as shops send it,
 * nested, with UUIDs, numbers and texts. `bytes` is at least 1,024.
 */
export function orderEventJson(bytes: number): string {
  const event = (note: string) =>
    JSON.stringify({
      specversion: '1.0',
      id: idPlaceholder,
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
  return event('x'.repeat(bytes - event('').length));
}
