/** Where collectors of logs look for all containers of a node. */
export const containerLogsDir = '/var/log/containers';
const suffix = '.log';
/** Longer names there are not on most file systems. */
const maxNameLength = 255;

/** Name of the link in `containerLogsDir` to the log of a container: `POD_NAMESPACE_CONTAINER-ID.log`, cut as upstream cuts it. `log` ends in `NAMESPACE_POD_UID/CONTAINER/ATTEMPT.log`; undefined for others. */
export function containerLogName(log: string, containerId: string): string | undefined {
  const [directory = '', container, file] = log.split('/').slice(-3);
  const [namespace, pod, uid] = directory.split('_');
  if (!namespace || !pod || !uid || !container || !file?.endsWith(suffix)) return undefined;
  return `${`${pod}_${namespace}_${container}-${containerId}`.slice(0, maxNameLength - suffix.length)}${suffix}`;
}
