import type { Plugin } from './types.ts';

/** The extension points, by the names of KubeSchedulerConfiguration, and the method of a plugin that stands for each. */
export const pointMethods = {
  preEnqueue: 'preEnqueue',
  queueSort: 'less',
  preFilter: 'preFilter',
  filter: 'filter',
  postFilter: 'postFilter',
  preScore: 'preScore',
  score: 'score',
  reserve: 'reserve',
  permit: 'permit',
  preBind: 'preBind',
  bind: 'bind',
  postBind: 'postBind',
} as const satisfies Record<string, keyof Plugin>;

export type Point = keyof typeof pointMethods;

export const points = Object.keys(pointMethods) as readonly Point[];

/** A plugin of one extension point; the weight is of Score alone. */
export interface PointPlugin {
  readonly name: string;
  readonly weight: number;
}

/** The plugins of a profile at each extension point, in the order they run. */
export type ProfilePlugins = Readonly<Record<Point, readonly PointPlugin[]>>;

/** `PreFilter`: as metrics and errors name the point. */
export function pointTitle(point: Point): string {
  return (point[0] ?? '').toUpperCase() + point.slice(1);
}
