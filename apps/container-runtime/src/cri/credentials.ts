import { type LinuxContainerSecurityContext, SupplementalGroupsPolicy } from '@orrery/proto/cri';
import { Code, RpcError } from '@orrery/rpc';
import type { TreeNode } from '../fs/node-tree.ts';
import type { Cred } from '../fs/vfs.ts';
import type { EmulatedImage } from '../images/define-image.ts';

/** Rows of the images' files, which all containers of an image share. */
const known = new WeakMap<TreeNode, readonly string[][]>();

/** A file of the image: users are looked up before anything is mounted, and containers that need no file system of their own get none for it. */
function read(image: EmulatedImage, name: 'passwd' | 'group'): readonly string[][] {
  const etc = image.root().entries.get('etc');
  const file = etc?.kind === 'directory' ? etc.entries.get(name) : undefined;
  if (file?.kind !== 'file') return [];
  let rows = known.get(file);
  if (!rows) known.set(file, (rows = Buffer.from(file.bytes).toString().split('\n').map((line) => line.split(':'))));
  return rows;
}

/** The image's entry of a user: by the id of one other than root, of which nothing is asked, or by the name, which must be there. */
function entryOf(user: { uid: number } | { name: string }, image: EmulatedImage): string[] | undefined {
  if ('uid' in user) return user.uid === 0 ? undefined : read(image, 'passwd').find(([, , uid]) => Number(uid) === user.uid);
  const entry = read(image, 'passwd').find(([name]) => name === user.name);
  if (!entry) throw new RpcError(Code.UNKNOWN, `failed to create containerd container: mount callback failed: no users found: unable to find user ${user.name}: no matching entries in passwd file`);
  return entry;
}

/** Groups that the image gives a user. */
function groupsOf(name: string | undefined, image: EmulatedImage): number[] {
  if (!name) return [];
  return read(image, 'group').flatMap(([, , gid, members = '']) => (members.split(',').includes(name) ? [Number(gid)] : []));
}

/**
 * Who the container's processes are: the security context, else the image's user, whose group and groups are those of the image's files unless
 * the context says others. Throws when a user name is unknown.
 */
export function credentials(context: LinuxContainerSecurityContext | undefined, image: EmulatedImage): Cred {
  const [imageUser = '0', imageGroup] = (image.user ?? '0').split(':');
  const name = context?.runAsUsername || (context?.runAsUser ? undefined : imageUser);
  const isNumber = name === undefined || /^\d+$/.test(name);
  const given = name === undefined ? Number(context?.runAsUser?.value ?? 0n) : Number(name);
  const entry = entryOf(isNumber ? { uid: given } : { name }, image);
  const uid = isNumber ? given : Number(entry?.[2]);
  const own = name !== undefined && imageGroup !== undefined ? Number(imageGroup) : Number(entry?.[3] ?? 0);
  const gid = context?.runAsGroup ? Number(context.runAsGroup.value ?? 0n) : own;
  const merged = context?.supplementalGroupsPolicy === SupplementalGroupsPolicy.Strict ? [] : groupsOf(entry?.[0], image);
  return { uid, gid, groups: [...new Set([gid, ...merged, ...(context?.supplementalGroups ?? []).map(Number)])] };
}
