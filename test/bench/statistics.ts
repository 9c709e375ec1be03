/** The middle of the values; of an even number of them, the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  if (low === undefined || high === undefined) throw new RangeError('a median needs at least one value');
  return (low + high) / 2;
}

/** The smallest value that at least `share` (above 0, at most 1) of the values do not exceed (nearest rank). */
export function percentileOf(values: Float64Array, share: number): number {
  const value = values.toSorted()[Math.ceil(values.length * share) - 1];
  if (value === undefined)
    throw new RangeError('a percentile needs at least one value and a share in (0, 1]');
  return value;
}
