import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Lane, Lanes, type Ordering } from './lanes.ts';

function waiting(offset: number, key: string | null) {
  const record = { topic: 't', partition: 0, offset: BigInt(offset), key, value: '', timestampMs: 0n };
  return { record, fromOffset: BigInt(offset), bytes: 10 };
}

/** What a walk may do with lanes, in any order. */
const action = fc.oneof(
  fc.record({ kind: fc.constant('read' as const), key: fc.option(fc.constantFrom('a', 'b', 'c')) }),
  fc.record({ kind: fc.constant('take' as const), max: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('lowest' as const) }),
  fc.record({ kind: fc.constant('due' as const), max: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('behind' as const), max: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ kind: fc.constant('end' as const), which: fc.nat(20), succeeds: fc.boolean() }),
);

test('however records come, fail and succeed: of each lane they are finished in order, and none is forgotten', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Ordering>('key', 'partition', 'none'),
      fc.array(action, { maxLength: 80 }),
      (ordering, actions) => {
        const world = new LanesWorld(ordering);
        for (const one of actions) {
          if (one.kind === 'read') world.read(one.key);
          else if (one.kind === 'take') world.begin(world.lanes.take(one.max).map(world.fresh));
          else if (one.kind === 'lowest')
            world.begin(world.lanes.takeLowest(world.lowest()).map(world.fresh));
          else if (one.kind === 'due') world.begin(world.lanes.takeDue(0, one.max).map(world.parked));
          else if (one.kind === 'behind') world.park(world.lanes.takeBehind(one.max).map(world.fresh));
          else world.end(one.which, one.succeeds);
        }
        world.endAll();
      },
    ),
  );
});

interface Begun {
  readonly lane: Lane;
  readonly offset: number;
  readonly isParked: boolean;
}

class LanesWorld {
  readonly lanes: Lanes;
  readonly #ordering: Ordering;
  readonly #keys: (string | null)[] = [];
  readonly #finished: number[] = [];
  #begun: Begun[][] = [];

  constructor(ordering: Ordering) {
    this.#ordering = ordering;
    this.lanes = new Lanes(ordering);
  }

  readonly fresh = ({ lane, waiting: { record } }: ReturnType<Lanes['take']>[number]): Begun => ({
    lane,
    offset: Number(record.offset),
    isParked: false,
  });

  readonly parked = ({ lane, entry }: ReturnType<Lanes['takeDue']>[number]): Begun => ({
    lane,
    offset: Number(entry.offset),
    isParked: true,
  });

  lowest(): bigint {
    return BigInt([...this.#keys.keys()].find((offset) => !this.#finished.includes(offset)) ?? 0);
  }

  read(key: string | null): void {
    this.lanes.add(waiting(this.#keys.length, key));
    this.#keys.push(key);
  }

  begin(taken: Begun[]): void {
    if (taken.length === 0) return;
    for (const { lane } of taken) {
      assert.equal(lane.state, 'busy');
      assert.ok(!this.#begun.flat().some((other) => other.lane === lane), 'one at a time');
    }
    this.#begun.push(taken);
  }

  /** Records that wait behind parked ones are parked themselves. */
  park(taken: Begun[]): void {
    for (const { lane, offset } of taken) this.#setAside(lane, offset);
    for (const { lane } of taken) if (lane.state === 'busy') this.lanes.free(lane);
  }

  end(which: number, succeeds: boolean): void {
    const [taken] = this.#begun.splice(which % Math.max(this.#begun.length, 1), 1);
    if (taken === undefined) return;
    for (const { lane, offset, isParked } of taken) {
      if (succeeds) {
        if (isParked) lane.parked.shift();
        this.#finish(offset);
      } else if (!isParked) this.#setAside(lane, offset);
    }
    for (const { lane } of taken) if (lane.state === 'busy') this.lanes.free(lane);
  }

  endAll(): void {
    for (let steps = 0; steps < 1_000; steps += 1) {
      this.end(0, true);
      this.begin(this.lanes.takeDue(0, 3).map(this.parked));
      this.begin(this.lanes.take(3).map(this.fresh));
    }
    assert.deepEqual(
      [...this.#finished].sort((a, b) => a - b),
      [...this.#keys.keys()],
    );
    assert.equal(this.lanes.waitingCount, 0);
    assert.equal(this.lanes.waitingBytes, 0);
    assert.equal(this.lanes.readyCount, 0);
    assert.equal(this.lanes.nextAttemptMs(), undefined);
  }

  #setAside(lane: Lane, offset: number): void {
    const key = this.#keys[offset] ?? null;
    lane.parked.push({ offset: BigInt(offset), key, failures: 0, nextAttemptMs: 0 });
  }

  #finish(offset: number): void {
    const key = this.#keys[offset];
    const together = (other: number) =>
      this.#ordering === 'partition' ||
      (this.#ordering === 'key' && key !== null && this.#keys[other] === key);
    assert.ok(
      !this.#finished.some((other) => other > offset && together(other)),
      `${offset} was overtaken by a record of its lane`,
    );
    this.#finished.push(offset);
  }
}

test('a lane that has more to do goes before lanes that only begin', () => {
  const lanes = new Lanes('key');
  for (const [offset, key] of ['a', 'a', 'b', 'c'].entries()) lanes.add(waiting(offset, key));
  const [first] = lanes.take(1);
  assert.ok(first);
  lanes.free(first.lane);
  assert.deepEqual(
    lanes.take(2).map(({ waiting: { record } }) => record.offset),
    [1n, 2n],
  );
});

test('of parked records only those that failed equally often go together', () => {
  const lanes = new Lanes('key');
  lanes.adopt([
    { offset: 1n, key: 'a', failures: 2, nextAttemptMs: 5 },
    { offset: 2n, key: 'b', failures: 2, nextAttemptMs: 9 },
    { offset: 3n, key: 'c', failures: 1, nextAttemptMs: 5 },
    { offset: 4n, key: 'd', failures: 2, nextAttemptMs: 5 },
    { offset: 5n, key: 'd', failures: 0, nextAttemptMs: 5 },
  ]);
  assert.deepEqual(lanes.takeDue(4, 10), []);
  const offsets = () => lanes.takeDue(5, 10).map(({ entry }) => entry.offset);
  assert.deepEqual(offsets(), [1n, 4n]);
  assert.deepEqual(offsets(), [3n]);
  assert.deepEqual(offsets(), []);
});
