import type { PodSpec, SELinuxOptions } from '@orrery/api/types';

export type ChangePolicy = 'MountOption' | 'Recursive';

/** How a pod wants a volume to be labelled. */
export interface Use {
  /** `user:role:type:level` of the file system's mount, with parts that are not told left empty; empty where it is not mounted with a label. */
  readonly label: string;
  readonly policy: ChangePolicy;
}

/** Two pods that cannot both have a volume on the same node; told from the side of `pod`. */
export interface Conflict {
  readonly property: 'SELinuxChangePolicy' | 'SELinuxLabel';
  readonly pod: string;
  readonly value: string;
  readonly other: string;
  readonly otherValue: string;
}

/** The label of a process as far as its options tell it; a node would fill in what is missing. Empty without options. */
export function labelOf({ user = '', role = '', type = '', level = '' }: SELinuxOptions): string {
  const label = [user, role, type, level].join(':');
  return label === ':::' ? '' : label;
}

/** Of each volume that a container mounts, the different labels of the containers that have one. */
export function labelsByVolume(spec: PodSpec): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { securityContext, volumeMounts = [] } of [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]) {
    const options = securityContext?.seLinuxOptions ?? spec.securityContext?.seLinuxOptions;
    for (const { name } of volumeMounts) {
      const labels = found.get(name) ?? new Set<string>();
      found.set(name, labels);
      if (options) labels.add(labelOf(options));
    }
  }
  return found;
}

const levelAt = 3;

/** Parts of a label; what is behind the third colon is the level, colons and all. */
function partsOf(label: string): string[] {
  const parts = label.split(':');
  return [...parts.slice(0, levelAt), parts.slice(levelAt).join(':')];
}

/** Do two labels differ in a part that both tell? What one leaves open the node may fill in as the other has it. */
export function labelsConflict(a: string, b: string): boolean {
  const others = partsOf(b);
  return partsOf(a).some((part, i) => part !== '' && others[i] && part !== others[i]);
}

function* between([pod, use]: readonly [string, Use], [other, otherUse]: readonly [string, Use]): Iterable<Conflict> {
  if (use.policy !== otherUse.policy) yield { property: 'SELinuxChangePolicy', pod, value: use.policy, other, otherValue: otherUse.policy };
  if (labelsConflict(use.label, otherUse.label)) yield { property: 'SELinuxLabel', pod, value: use.label, other, otherValue: otherUse.label };
}

/** A volume in use. */
export interface UsedVolume {
  /** The same for all who use it. */
  readonly id: string;
  /** The name of its CSI driver; empty for what has none. */
  readonly driver: string;
  readonly use: Use;
}

interface Volume {
  readonly driver: string;
  readonly users: Map<string, Use>;
}

/** Which pods (`namespace/name`) use which volumes, and how. */
export class VolumeUsers {
  private readonly volumes = new Map<string, Volume>();
  private readonly idsOf = new Map<string, readonly string[]>();

  /** Notes all volumes that a pod uses. Returns the conflicts that come of those that were not noted before, for both sides. */
  set(pod: string, used: readonly UsedVolume[]): Conflict[] {
    const ids = used.map(({ id }) => id);
    for (const id of this.idsOf.get(pod) ?? []) if (!ids.includes(id)) this.leave(id, pod);
    if (ids.length) this.idsOf.set(pod, ids);
    else this.idsOf.delete(pod);
    return used.flatMap((one) => this.enter(pod, one));
  }

  private enter(pod: string, { id, driver, use }: UsedVolume): Conflict[] {
    const { users } = this.volumes.get(id) ?? { users: new Map<string, Use>() };
    this.volumes.set(id, { driver, users });
    const before = users.get(pod);
    if (before?.label === use.label && before.policy === use.policy) return [];
    users.set(pod, use);
    return [...users].filter(([other]) => other !== pod).flatMap((other) => [...between([pod, use], other), ...between(other, [pod, use])]);
  }

  private leave(id: string, pod: string): void {
    const users = this.volumes.get(id)?.users;
    if (users?.delete(pod) && !users.size) this.volumes.delete(id);
  }

  /** Those with a volume of a CSI driver. */
  usersOf(driver: string): Set<string> {
    return new Set([...this.volumes.values()].filter((volume) => volume.driver === driver).flatMap(({ users }) => [...users.keys()]));
  }

  /** All there are now, told from both sides. */
  *conflicts(): Iterable<Conflict> {
    for (const { users } of this.volumes.values()) {
      for (const one of users) for (const other of users) if (one[0] !== other[0]) yield* between(one, other);
    }
  }
}

/** In upstream's words. Who is in another namespace is not named. */
export function messageOf({ property, pod, value, other, otherValue }: Conflict): string {
  const [namespace, otherNamespace, otherName] = [pod.split('/')[0], ...other.split('/')];
  const end = 'If both pods land on the same node, only one of them may access the volume.';
  if (namespace === otherNamespace) return `${property} "${value}" conflicts with pod ${otherName} that uses the same volume as this pod with ${property} "${otherValue}". ${end}`;
  return `${property}"${value}" conflicts with another pod that uses the same volume as this pod with a different ${property}. ${end}`;
}
