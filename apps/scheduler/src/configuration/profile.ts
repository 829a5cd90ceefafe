import { ConfigError } from '@orrery/runtime';
import { type PointPlugin, type Point, type ProfilePlugins, pointMethods, pointTitle, points } from '../framework/profile-plugins.ts';
import type { Plugin } from '../framework/types.ts';
import type { PluginSet, PluginsConfiguration } from './types.ts';

type Entry = { readonly name: string; readonly weight?: number };

/** Upstream's merge: the defaults without what is disabled, what is enabled anew in its old place, then the rest of what is enabled. */
export function mergeSets(byDefault: readonly Entry[], { enabled = [], disabled = [] }: PluginSet): Entry[] {
  const off = new Set(disabled.map(({ name }) => name));
  const given = new Map(enabled.map((entry) => [entry.name, entry]));
  const replaced = new Set<string>();
  const kept: Entry[] = [];
  if (!off.has('*')) {
    for (const entry of byDefault) {
      if (off.has(entry.name)) continue;
      const instead = given.get(entry.name);
      if (instead) replaced.add(entry.name);
      kept.push(instead ?? entry);
    }
  }
  return [...kept, ...enabled.filter(({ name }) => !replaced.has(name))];
}

function expand(point: Point, set: PluginSet, everywhere: readonly Entry[], plugins: ReadonlyMap<string, Plugin>): Entry[] {
  const explicit = set.enabled ?? [];
  const off = new Set((set.disabled ?? []).map(({ name }) => name));
  const title = pointTitle(point);
  for (const { name } of explicit) {
    const plugin = plugins.get(name);
    if (!plugin) throw new ConfigError(`${title}Plugin ${JSON.stringify(name)} does not exist`);
    if (plugin[pointMethods[point]] === undefined) throw new ConfigError(`plugin ${JSON.stringify(name)} does not extend ${title}Plugin plugin`);
  }
  if (off.has('*')) return [...explicit];
  const named = new Set(explicit.map(({ name }) => name));
  const fromEverywhere = everywhere.filter(({ name }) => plugins.get(name)?.[pointMethods[point]] !== undefined);
  const overridden = new Set(fromEverywhere.map(({ name }) => name).filter((name) => named.has(name)));
  return [
    ...explicit.filter(({ name }) => overridden.has(name)),
    ...fromEverywhere.filter(({ name }) => !named.has(name) && !off.has(name)),
    ...explicit.filter(({ name }) => !overridden.has(name)),
  ];
}

/** The names of every plugin that a profile may need. */
export function namedPlugins(byDefault: readonly Entry[], config: PluginsConfiguration): Set<string> {
  const names = new Set(mergeSets(byDefault, config.multiPoint ?? {}).map(({ name }) => name));
  for (const point of points) for (const { name } of config[point]?.enabled ?? []) names.add(name);
  return names;
}

/** Which plugins run where, in which order and with which weight. Throws ConfigError for plugins that are not there. */
export function profilePlugins(byDefault: readonly Entry[], config: PluginsConfiguration, plugins: ReadonlyMap<string, Plugin>): ProfilePlugins {
  const everywhere = mergeSets(byDefault, config.multiPoint ?? {});
  for (const { name } of everywhere) if (!plugins.has(name)) throw new ConfigError(`${pointTitle('preEnqueue')}Plugin ${JSON.stringify(name)} does not exist`);
  const at = (point: Point): PointPlugin[] =>
    expand(point, config[point] ?? {}, everywhere, plugins).map(({ name, weight }) => ({
      name,
      weight: weight || 1,
    }));
  return Object.fromEntries(points.map((point) => [point, at(point)])) as unknown as ProfilePlugins;
}
