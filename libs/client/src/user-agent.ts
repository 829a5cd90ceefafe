/**
 * How a program names itself to API servers, in the form of Kubernetes' own: `kube-scheduler/v1.36.0 (linux/amd64) orrery`. What is
 * before the slash is the manager of the fields that it writes.
 */
export const userAgentOf = (program: string): string => `${program}/v1.36.0 (linux/amd64) orrery`;

/** Of the metadata of gRPC calls: `user-agent` names the implementation of gRPC. */
export const userAgentKey = 'x-user-agent';
