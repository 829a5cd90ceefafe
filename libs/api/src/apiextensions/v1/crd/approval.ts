import type { CustomResourceDefinition } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';

const annotation = 'api-approved.kubernetes.io';
const more = 'see https://github.com/kubernetes/enhancements/pull/1111';

export type ApprovalState = 'missing' | 'bypassed' | 'approved' | 'invalid';

export interface Approval {
  readonly state: ApprovalState;
  /** In upstream's words. */
  readonly reason: string;
}

/** Was an API of the project itself reviewed? Undefined: its group is nobody's business. */
export function approvalOf({ metadata, spec }: CustomResourceDefinition): Approval | undefined {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec?.group ?? '')) return undefined;
  const value = metadata?.annotations?.[annotation] ?? '';
  if (value === '') return { state: 'missing', reason: `protected groups must have approval annotation "${annotation}", ${more}` };
  if (value.startsWith('unapproved')) return { state: 'bypassed', reason: `not approved: ${JSON.stringify(value)}` };
  if (URL.canParse(value) && new URL(value).host !== '') return { state: 'approved', reason: `approved in ${value}` };
  return { state: 'invalid', reason: `protected groups must have approval annotation "${annotation}" with either a URL or a reason starting with "unapproved", ${more}` };
}

/** Groups of the project itself take only what was reviewed, or says that it was not; an update that leaves it as it was passes. */
export function checkApproval(definition: CustomResourceDefinition, old: CustomResourceDefinition | undefined, root: FieldPath): void {
  const approval = approvalOf(definition);
  if (!approval || (old && approvalOf(old)?.state === approval.state)) return;
  const at = root.child('metadata').child('annotations').at(annotation);
  if (approval.state === 'missing') at.required(approval.reason);
  else if (approval.state === 'invalid') at.invalid(definition.metadata?.annotations?.[annotation], approval.reason);
}
