import type { Plugin } from './types.ts';

/** A list without what is of one plugin; made once, for nearly all pods spare the same plugins. */
export function createPruning<T>(pluginOf: (item: T) => Plugin): (list: readonly T[], plugin: Plugin) => readonly T[] {
  const known = new WeakMap<readonly T[], Map<Plugin, readonly T[]>>();
  return (list, plugin) => {
    let pruned = known.get(list);
    if (!pruned) known.set(list, (pruned = new Map()));
    let left = pruned.get(plugin);
    if (!left) pruned.set(plugin, (left = list.some((item) => pluginOf(item) === plugin) ? list.filter((item) => pluginOf(item) !== plugin) : list));
    return left;
  };
}

/** The filters that come before the first which looks beyond the node, and those from there on. */
export interface FilterParts {
  readonly local: readonly Plugin[];
  readonly beyond: readonly Plugin[];
}

/** Of lists that come again and again. */
export function createParting(): (filters: readonly Plugin[]) => FilterParts {
  const known = new WeakMap<readonly Plugin[], FilterParts>();
  return (filters) => {
    let parts = known.get(filters);
    if (!parts) {
      const first = filters.findIndex((plugin) => !plugin.local);
      const locals = first < 0 ? filters.length : first;
      known.set(filters, (parts = { local: filters.slice(0, locals), beyond: filters.slice(locals) }));
    }
    return parts;
  };
}
