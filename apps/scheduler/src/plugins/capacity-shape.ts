import type { UtilizationShapePoint } from '../configuration/types.ts';
import { maxNodeScore } from '../framework/types.ts';

/** Scores in a shape are 0…10. */
const scale = maxNodeScore / 10;

/** A broken line through the points, in whole numbers as upstream: from utilization (percent) to score (0…100). */
export function shapeFunction(shape: readonly UtilizationShapePoint[]): (utilization: number) => number {
  const points = shape.map(({ utilization = 0, score = 0 }) => ({ utilization, score: score * scale }));
  return (p) => {
    for (let i = 0; i < points.length; i++) {
      const point = points[i] as UtilizationShapePoint;
      if (p > point.utilization) continue;
      const before = points[i - 1];
      if (!before) return point.score;
      return before.score + Math.trunc(((point.score - before.score) * (p - before.utilization)) / (point.utilization - before.utilization));
    }
    return points.at(-1)?.score ?? 0;
  };
}
