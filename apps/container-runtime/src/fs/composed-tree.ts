import { FsError } from './fs-error.ts';
import type { Parts, Tree } from './tree.ts';

/** A directory of a tree as a tree of its own. */
export function subTree(tree: Tree, at: Parts): Tree {
  if (!at.length) return tree;
  const within = (parts: Parts): Parts => [...at, ...parts];
  return {
    source: tree.source,
    type: tree.type,
    get sizeBytes() {
      return tree.sizeBytes;
    },
    stat: (parts) => tree.stat(within(parts)),
    list: (parts) => tree.list(within(parts)),
    readlink: (parts) => tree.readlink(within(parts)),
    open: (parts, options) => tree.open(within(parts), options),
    mkdir: (parts, owner) => tree.mkdir(within(parts), owner),
    symlink: (parts, target) => tree.symlink(within(parts), target),
    link: (from, to) => tree.link(within(from), within(to)),
    remove: (parts) => tree.remove(within(parts)),
    rename: (from, to) => tree.rename(within(from), within(to)),
    setAttributes: (parts, attributes) => tree.setAttributes(within(parts), attributes),
    device: (parts) => tree.device(within(parts)),
  };
}

/** A tree in which another one lies at a place (not the root), which is there even where the first has no such directory; its parent must be there. */
export function graftedTree(base: Tree, at: Parts, grafted: Tree): Tree {
  const isBelow = (parts: Parts): boolean => at.every((part, i) => parts[i] === part);
  const of = (parts: Parts): { tree: Tree; parts: Parts } => (isBelow(parts) ? { tree: grafted, parts: parts.slice(at.length) } : { tree: base, parts });
  const both = (from: Parts, to: Parts): { tree: Tree; from: Parts; to: Parts } => {
    const [one, other] = [of(from), of(to)];
    if (one.tree !== other.tree) throw new FsError('EXDEV');
    return { tree: one.tree, from: one.parts, to: other.parts };
  };
  const call = <R>(parts: Parts, work: (tree: Tree, parts: Parts) => R): R => {
    const found = of(parts);
    return work(found.tree, found.parts);
  };
  return {
    source: base.source,
    type: base.type,
    get sizeBytes() {
      return base.sizeBytes;
    },
    stat: (parts) => call(parts, (tree, rest) => tree.stat(rest)),
    list(parts) {
      const names = call(parts, (tree, rest) => tree.list(rest));
      const next = parts.length === at.length - 1 && parts.every((part, i) => at[i] === part) ? at[parts.length] : undefined;
      return next === undefined || names.includes(next) ? names : [...names, next];
    },
    readlink: (parts) => call(parts, (tree, rest) => tree.readlink(rest)),
    open: (parts, options) => call(parts, (tree, rest) => tree.open(rest, options)),
    mkdir: (parts, owner) => call(parts, (tree, rest) => tree.mkdir(rest, owner)),
    symlink: (parts, target) => call(parts, (tree, rest) => tree.symlink(rest, target)),
    link(from, to) {
      const at = both(from, to);
      at.tree.link(at.from, at.to);
    },
    remove(parts) {
      if (parts.length <= at.length && parts.every((part, i) => at[i] === part)) throw new FsError('EBUSY');
      call(parts, (tree, rest) => tree.remove(rest));
    },
    rename(from, to) {
      const at = both(from, to);
      at.tree.rename(at.from, at.to);
    },
    setAttributes: (parts, attributes) => call(parts, (tree, rest) => tree.setAttributes(rest, attributes)),
    device: (parts) => call(parts, (tree, rest) => tree.device(rest)),
  };
}
