import { type LinuxContainerSecurityContext, SupplementalGroupsPolicy } from '@orrery/proto/cri';
import { Code, RpcError } from '@orrery/rpc';
import type { Cred, Vfs } from '../fs/vfs.ts';
import type { EmulatedImage } from '../images/define-image.ts';

const rows = (text: string): string[][] => text.split('\n').map((line) => line.split(':'));

interface From {
  readonly image: EmulatedImage;
  readonly files: () => Vfs;
}

function read(files: Vfs, path: string): string[][] {
  return files.exists(path) ? rows(files.readText(path)) : [];
}

/** The image's entry of a user: by the id of one other than root, of which nothing is asked, or by the name, which must be there. */
function entryOf(user: { uid: number } | { name: string }, { files }: From): string[] | undefined {
  if ('uid' in user) return user.uid === 0 ? undefined : read(files(), '/etc/passwd').find(([, , uid]) => Number(uid) === user.uid);
  const entry = read(files(), '/etc/passwd').find(([name]) => name === user.name);
  if (!entry) throw new RpcError(Code.UNKNOWN, `failed to create containerd container: mount callback failed: no users found: unable to find user ${user.name}: no matching entries in passwd file`);
  return entry;
}

/** Groups that the image gives a user. */
function groupsOf(name: string | undefined, { files }: From): number[] {
  if (!name) return [];
  return read(files(), '/etc/group').flatMap(([, , gid, members = '']) => (members.split(',').includes(name) ? [Number(gid)] : []));
}

/**
 * Who the container's processes are: the security context, else the image's user, whose group and groups are those of the image's files unless
 * the context says others. Throws when a user name is unknown.
 */
export function credentials(context: LinuxContainerSecurityContext | undefined, from: From): Cred {
  const [imageUser = '0', imageGroup] = (from.image.user ?? '0').split(':');
  const name = context?.runAsUsername || (context?.runAsUser ? undefined : imageUser);
  const isNumber = name === undefined || /^\d+$/.test(name);
  const given = name === undefined ? Number(context?.runAsUser?.value ?? 0n) : Number(name);
  const entry = entryOf(isNumber ? { uid: given } : { name }, from);
  const uid = isNumber ? given : Number(entry?.[2]);
  const own = name !== undefined && imageGroup !== undefined ? Number(imageGroup) : Number(entry?.[3] ?? 0);
  const gid = context?.runAsGroup ? Number(context.runAsGroup.value ?? 0n) : own;
  const merged = context?.supplementalGroupsPolicy === SupplementalGroupsPolicy.Strict ? [] : groupsOf(entry?.[0], from);
  return { uid, gid, groups: [...new Set([gid, ...merged, ...(context?.supplementalGroups ?? []).map(Number)])] };
}
