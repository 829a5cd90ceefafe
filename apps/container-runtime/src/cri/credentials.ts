import type { LinuxContainerSecurityContext } from '@orrery/proto/cri';
import { Code, RpcError } from '@orrery/rpc';
import type { Cred, Vfs } from '../fs/vfs.ts';
import type { EmulatedImage } from '../images/define-image.ts';

function lookup(text: string, name: string): string[] | undefined {
  return text.split('\n').map((line) => line.split(':')).find(([first]) => first === name);
}

/** Who the container's processes are: the security context, else the image's user. Throws when a user name is unknown. */
export function credentials(context: LinuxContainerSecurityContext | undefined, from: { image: EmulatedImage; files: () => Vfs }): Cred {
  const [imageUser = '0', imageGroup] = (from.image.user ?? '0').split(':');
  const name = context?.runAsUsername || (context?.runAsUser ? undefined : imageUser);
  let uid = Number(context?.runAsUser?.value ?? 0n);
  let gid: number | undefined = context?.runAsGroup ? Number(context.runAsGroup.value ?? 0n) : undefined;
  if (name !== undefined && /^\d+$/.test(name)) uid = Number(name);
  else if (name !== undefined) {
    const entry = lookup(from.files().readText('/etc/passwd'), name);
    if (!entry) throw new RpcError(Code.UNKNOWN, `failed to create containerd container: mount callback failed: no users found: unable to find user ${name}: no matching entries in passwd file`);
    uid = Number(entry[2]);
    gid ??= Number(entry[3]);
  }
  if (gid === undefined && name !== undefined && imageGroup !== undefined) gid = Number(imageGroup);
  return { uid, gid: gid ?? 0, groups: [...new Set([gid ?? 0, ...(context?.supplementalGroups ?? []).map(Number)])] };
}
