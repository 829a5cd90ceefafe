import type {
  SchedulingV1alpha2PodGroupResourceClaim as GroupClaim, SchedulingV1alpha2PodGroupSchedulingConstraints as Constraints, SchedulingV1alpha2PodGroupSchedulingPolicy as Policy,
} from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkItems, checkSet } from '../../validation/lists.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../validation/names.ts';

const maxClaims = 4;
const maxTopologies = 1;
const highestUserValue = 1_000_000_000;

/** What templates of groups and groups themselves have alike. */
export interface GroupFields {
  readonly schedulingPolicy?: Policy;
  readonly schedulingConstraints?: Constraints;
  readonly resourceClaims?: GroupClaim[];
  readonly disruptionMode?: string;
  readonly priorityClassName?: string;
  readonly priority?: number;
}

/** Exactly one of the named members is there. */
function checkUnion(object: object | undefined, { at, members }: { at: FieldPath; members: readonly string[] }): void {
  const set = members.filter((name) => (object as Record<string, unknown> | undefined)?.[name] !== undefined);
  const all = members.map((name) => `\`${name}\``).join(', ');
  if (set.length === 0) at.invalid('', `must specify one of: ${all}`);
  else if (set.length > 1) at.invalid(`{${set.join(', ')}}`, `must specify exactly one of: ${all}`);
}

function checkPolicy(policy: Policy | undefined, at: FieldPath): void {
  checkUnion(policy, { at, members: ['basic', 'gang'] });
  if (!policy?.gang) return;
  const { minCount = 0 } = policy.gang;
  const path = at.child('gang').child('minCount');
  if (minCount === 0) path.required();
  else if (minCount < 1) path.invalid(minCount, 'must be greater than or equal to 1');
}

function checkClaim(claim: GroupClaim, at: FieldPath): void {
  at.child('name').requires(claim.name, dns1123Label);
  checkUnion(claim, { at, members: ['resourceClaimName', 'resourceClaimTemplateName'] });
  for (const name of ['resourceClaimName', 'resourceClaimTemplateName'] as const) if (claim[name] !== undefined) at.child(name).matches(claim[name], dns1123Subdomain);
}

export function checkGroup(group: GroupFields, at: FieldPath): void {
  checkPolicy(group.schedulingPolicy, at.child('schedulingPolicy'));
  const topology = at.child('schedulingConstraints').child('topology');
  checkItems(group.schedulingConstraints?.topology, { at: topology, max: maxTopologies }, ({ key }, item) => item.child('key').requires(key, qualifiedName));
  checkSet(group.resourceClaims, { at: at.child('resourceClaims'), max: maxClaims, key: ({ name }) => name }, checkClaim);
  at.child('disruptionMode').oneOf(group.disruptionMode, ['Pod', 'PodGroup']);
  if (group.priorityClassName) at.child('priorityClassName').matches(group.priorityClassName, dns1123Subdomain);
  const { priority } = group;
  if (priority !== undefined && priority > highestUserValue) at.child('priority').invalid(priority, `must be less than or equal to ${highestUserValue}`);
}
