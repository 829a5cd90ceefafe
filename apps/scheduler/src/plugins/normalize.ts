import type { Scores } from '../framework/types.ts';

/** Scales scores so that the highest becomes `max` (whole numbers, rounded down); `reverse` makes low raw scores good. */
export function defaultNormalize(scores: Scores, options: { max: number; reverse: boolean }): void {
  const { max, reverse } = options;
  let highest = 0;
  for (let i = 0; i < scores.length; i++) if ((scores[i] ?? 0) > highest) highest = scores[i] ?? 0;
  for (let i = 0; i < scores.length; i++) {
    const scaled = highest === 0 ? 0 : Math.floor(((scores[i] ?? 0) * max) / highest);
    scores[i] = reverse ? max - scaled : scaled;
  }
}
