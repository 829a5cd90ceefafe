import type { Capability } from '@orrery/proto/cri';

/** In the order of the kernel's numbers. */
const names: readonly string[] = [
  'CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW',
  'IPC_LOCK', 'IPC_OWNER', 'SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD',
  'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF', 'CHECKPOINT_RESTORE',
];
const all = (1n << BigInt(names.length)) - 1n;
/** What containerd lets containers have that say nothing. */
const usual = 0xa80425fbn;

function bitsOf(given: readonly string[] = []): bigint {
  let bits = 0n;
  for (const text of given) {
    const name = text.toUpperCase().replace(/^CAP_/, '');
    const at = names.indexOf(name);
    if (name === 'ALL') bits = all;
    else if (at >= 0) bits |= 1n << BigInt(at);
  }
  return bits;
}

/** The set of capabilities that root has in a container, as bits of the kernel's numbers. What is both added and dropped it has, unless all are added. */
export function capabilitiesOf({ privileged, capabilities }: { privileged?: boolean | undefined; capabilities?: Capability | undefined }): bigint {
  if (privileged) return all;
  const { addCapabilities: add = [], dropCapabilities: drop = [] } = capabilities ?? {};
  const added = bitsOf(add);
  return added === all ? all & ~bitsOf(drop) : (usual & ~bitsOf(drop)) | added;
}
