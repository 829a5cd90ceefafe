import type { KubeObject } from '@orrery/apimachinery';
import type { Change } from '../test-world.ts';

interface Seen {
  readonly uid: string;
  readonly version: bigint;
  readonly node: string | undefined;
}

const keyOf = ({ resource, object }: Pick<Change, 'resource' | 'object'>): string => `${resource} ${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
const nodeOf = (object: KubeObject): string | undefined => (object as { spec?: { nodeName?: string } }).spec?.nodeName;

/**
 * What the changes that a client was told break of what every cluster promises: versions of an object rise, a Pod that was bound stays where it is, an identity comes to be once
 * and does not come back, what is deleted was there.
 */
export function historyProblems(changes: readonly Change[]): string[] {
  const problems: string[] = [];
  const alive = new Map<string, Seen>();
  const gone = new Set<string>();
  for (const change of changes) {
    const key = keyOf(change);
    const { uid = '', resourceVersion = '0' } = change.object.metadata ?? {};
    const now: Seen = { uid, version: BigInt(resourceVersion), node: change.resource === 'pods' ? nodeOf(change.object) : undefined };
    const before = alive.get(key);
    const say = (what: string): void => void problems.push(`${key} at ${resourceVersion}: ${what}`);
    if (gone.has(uid)) say('is back although it was deleted');
    if (before && before.uid !== uid) say('is another, and the one before was not deleted');
    else if (before && now.version <= before.version) say(`comes after ${before.version}`);
    else if (before?.node && now.node !== before.node) say(`was bound to ${before.node}, and is to ${now.node ?? 'no node'}`);
    if (change.type === 'DELETED') {
      if (!before) say('is deleted, and was never told of');
      alive.delete(key);
      gone.add(uid);
    } else alive.set(key, now);
  }
  return problems;
}

/** What a client that followed the changes takes for there, that is not, and the other way round. */
export function followedProblems(changes: readonly Change[], resource: string, items: readonly KubeObject[]): string[] {
  const followed = new Map<string, string>();
  for (const { type, object, resource: of } of changes) {
    if (of !== resource) continue;
    if (type === 'DELETED') followed.delete(object.metadata?.uid ?? '');
    else followed.set(object.metadata?.uid ?? '', object.metadata?.resourceVersion ?? '');
  }
  const there = new Map(items.map(({ metadata }) => [metadata?.uid ?? '', metadata]));
  const stale = [...followed].filter(([uid, version]) => there.get(uid)?.resourceVersion !== version).map(([uid, version]) => `${resource}: a follower holds ${uid} at ${version}, the server at ${there.get(uid)?.resourceVersion ?? 'no version'}`);
  return [...stale, ...[...there].filter(([uid]) => !followed.has(uid)).map(([, metadata]) => `${resource}: no follower knows of ${metadata?.name}`)];
}
