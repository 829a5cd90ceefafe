const kinds = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'] as const;

export type NamespaceKind = (typeof kinds)[number];

/** Numbers of namespaces: two that are equal are the same namespace. */
export type Namespaces = Readonly<Record<NamespaceKind, number>>;

/** Those that a machine starts with have the same numbers everywhere. */
export const firstNamespaces: Namespaces = { time: 4026531834, cgroup: 4026531835, pid: 4026531836, user: 4026531837, uts: 4026531838, ipc: 4026531839, net: 4026531840, mnt: 4026531841 };

const firstFree = 4026532128;
const range = 200_000_000;

/** The number of a namespace that somebody made, by the maker's name. */
function numberOf(kind: NamespaceKind, maker: string): number {
  let hash = 0x811c9dc5;
  for (const text of [kind, maker]) for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return firstFree + ((hash >>> 0) % range);
}

/** Namespaces by the id of who made them: a container, or its sandbox; those that nobody made are the machine's. */
export function namespacesBy(makers: Partial<Record<NamespaceKind, string>>): Namespaces {
  const numbers: Record<NamespaceKind, number> = { ...firstNamespaces };
  for (const kind of kinds) {
    const maker = makers[kind];
    if (maker !== undefined) numbers[kind] = numberOf(kind, maker);
  }
  return numbers;
}
