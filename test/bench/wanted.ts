/** A figure that is wanted of the bridge, and what it came to. */
export interface Verdict {
  readonly met: boolean;
  /** Such as `tight, 64 connections: bridge / bare, events/s: wanted >= 4.0x: 3.70x - missed`. */
  readonly text: string;
}

/** What a figure must reach, or must not exceed. */
export type Bound = { readonly atLeast: number } | { readonly atMost: number };

/** Judges one figure. `unit` follows it: `x` for a ratio. */
export function judgeFigure(figure: {
  readonly subject: string;
  readonly value: number;
  readonly bound: Bound;
  readonly unit: string;
}): Verdict {
  const { subject, value, bound, unit } = figure;
  const met = 'atLeast' in bound ? value >= bound.atLeast : value <= bound.atMost;
  const limit = 'atLeast' in bound ? `>= ${bound.atLeast.toFixed(1)}` : `<= ${bound.atMost.toFixed(1)}`;
  return {
    met,
    text: `${subject}: wanted ${limit}${unit}: ${value.toFixed(2)}${unit} - ${met ? 'met' : 'missed'}`,
  };
}

/** The verdicts as the end of a report; nothing where nothing was wanted. */
export function describeVerdicts(verdicts: readonly Verdict[]): string[] {
  return verdicts.length === 0 ? [] : ['', 'Wanted:', ...verdicts.map(({ text }) => `  ${text}`)];
}
