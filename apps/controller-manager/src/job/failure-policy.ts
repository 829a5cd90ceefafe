import type { Job, Pod, PodFailurePolicyOnExitCodesRequirement } from '@orrery/api/types';

export interface PolicyMatch {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  readonly message: string;
}

function matchingContainer(pod: Pod, rule: PodFailurePolicyOnExitCodesRequirement): { name: string; exitCode: number } | undefined {
  for (const status of [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]) {
    const exitCode = status.state?.terminated?.exitCode ?? 0;
    if (exitCode === 0 || (rule.containerName && rule.containerName !== status.name)) continue;
    const listed = (rule.values ?? []).includes(exitCode);
    if (listed === (rule.operator === 'In')) return { name: status.name ?? '', exitCode };
  }
  return undefined;
}

/** What the Job's podFailurePolicy says of a failed pod: its first matching rule, or undefined. */
export function matchFailurePolicy(job: Job, pod: Pod): PolicyMatch | undefined {
  const where = `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
  for (const [index, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const action = rule.action as PolicyMatch['action'];
    if (rule.onExitCodes) {
      const container = matchingContainer(pod, rule.onExitCodes);
      if (container) return { action, message: `Container ${container.name} for pod ${where} failed with exit code ${container.exitCode} matching ${action} rule at index ${index}` };
    }
    for (const pattern of rule.onPodConditions ?? []) {
      const met = pod.status?.conditions?.some((condition) => condition.type === pattern.type && condition.status === (pattern.status ?? 'True'));
      if (met) return { action, message: `Pod ${where} has condition ${pattern.type} matching ${action} rule at index ${index}` };
    }
  }
  return undefined;
}
