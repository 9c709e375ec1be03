import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Lane, Lanes, type Ordering, rangesOf } from './lanes.ts';
import { Progress } from './progress.ts';

function waiting(offset: number, key: string | null) {
  const record = { topic: 't', partition: 0, offset: BigInt(offset), key, value: '', timestampMs: 0n };
  return { record, fromOffset: BigInt(offset), bytes: 10 };
}

/** What a walk may do with lanes, in any order. */
const action = fc.oneof(
  fc.record({ kind: fc.constant('read' as const), key: fc.option(fc.constantFrom('a', 'b', 'c')) }),
  fc.record({
    kind: fc.constant('take' as const),
    max: fc.integer({ min: 1, max: 5 }),
    rangesMax: fc.integer({ min: 0, max: 4 }),
  }),
  fc.record({ kind: fc.constant('lowest' as const), max: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('due' as const), max: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('behind' as const), max: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ kind: fc.constant('end' as const), which: fc.nat(20), succeeds: fc.boolean() }),
);

test('however records come, fail and succeed: of each lane they are finished in order, none is forgotten, and the oldest that may go is always the next', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Ordering>('key', 'partition', 'none'),
      fc.array(action, { maxLength: 80 }),
      (ordering, actions) => {
        const world = new LanesWorld(ordering);
        for (const one of actions) {
          if (one.kind === 'read') world.read(one.key);
          else if (one.kind === 'take') world.take(one.max, one.rangesMax);
          else if (one.kind === 'lowest') world.takeLowest(one.max);
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
  readonly #parked = new Set<number>();
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

  /** The oldest whose lane is free go, as long as they are not too scattered. */
  take(max: number, rangesMax: number): void {
    const free = this.#free();
    const isRangeStart = (offset: number) => !free.includes(offset - 1);
    const expected = free
      .slice(0, max)
      .filter((offset) => free.filter((other) => other <= offset && isRangeStart(other)).length <= rangesMax);
    const taken = this.lanes.take(max, rangesMax);
    assert.deepEqual(
      taken.map(({ waiting: { record } }) => Number(record.offset)),
      expected,
    );
    assert.equal(rangesOf(taken), expected.filter(isRangeStart).length);
    this.begin(taken.map(this.fresh));
  }

  /** What goes leaves no unfinished record behind, wherever it stands among the finished ones. */
  takeLowest(max: number): void {
    const progress = new Progress({ nextOffset: 0n, finished: [] });
    for (const offset of this.#settled()) progress.finish(BigInt(offset), BigInt(offset + 1));
    const { nextOffset } = progress;
    const before = progress.rangeCount;
    const mayGo = this.#free().includes(Number(nextOffset));
    const taken = this.lanes.takeLowest(progress, max).map(this.fresh);
    assert.equal(taken[0]?.offset, mayGo ? Number(nextOffset) : undefined);
    for (const { offset } of taken) {
      progress.finish(BigInt(offset), BigInt(offset + 1));
      assert.ok(progress.rangeCount <= before, 'no range more than before');
      assert.ok(progress.nextOffset > BigInt(offset));
    }
    this.begin(taken);
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
        this.#parked.delete(offset);
        this.#finish(offset);
      } else if (!isParked) this.#setAside(lane, offset);
    }
    for (const { lane } of taken) if (lane.state === 'busy') this.lanes.free(lane);
  }

  endAll(): void {
    for (let steps = 0; steps < 1_000; steps += 1) {
      this.end(0, true);
      this.begin(this.lanes.takeDue(0, 3).map(this.parked));
      this.begin(this.lanes.take(3, 3).map(this.fresh));
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

  /** Records of the log that need nothing more, in their order. */
  #settled(): number[] {
    return [...this.#finished, ...this.#parked].sort((a, b) => a - b);
  }

  /** Records that wait in lanes of which nothing is under way or parked, in their order. */
  #free(): number[] {
    const settled = this.#settled();
    const begun = this.#begun.flat().map(({ offset }) => offset);
    const hindering = [...begun, ...this.#parked];
    return [...this.#keys.keys()].filter(
      (offset) =>
        !settled.includes(offset) &&
        !begun.includes(offset) &&
        !hindering.some((other) => this.#together(offset, other)),
    );
  }

  #together(one: number, other: number): boolean {
    if (this.#ordering !== 'key') return this.#ordering === 'partition';
    const key = this.#keys[one] ?? null;
    return key !== null && this.#keys[other] === key;
  }

  #setAside(lane: Lane, offset: number): void {
    const key = this.#keys[offset] ?? null;
    lane.parked.push({ offset: BigInt(offset), key, failures: 0, nextAttemptMs: 0 });
    this.#parked.add(offset);
  }

  #finish(offset: number): void {
    assert.ok(
      !this.#finished.some((other) => other > offset && this.#together(offset, other)),
      `${offset} was overtaken by a record of its lane`,
    );
    this.#finished.push(offset);
  }
}

test('records go in the order of their offsets, of lanes that go on and of lanes that begin', () => {
  const lanes = new Lanes('key');
  for (const [offset, key] of ['a', 'a', 'b', 'a', 'c'].entries()) lanes.add(waiting(offset, key));
  const [first] = lanes.take(1, 9);
  assert.ok(first);
  assert.deepEqual(
    lanes.take(1, 9).map(({ waiting: { record } }) => record.offset),
    [2n],
  );
  lanes.free(first.lane);
  assert.deepEqual(
    lanes.take(5, 9).map(({ waiting: { record } }) => record.offset),
    [1n, 3n, 4n],
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
