import type { KindDescriptor } from '@orrery/api';
import type { MatchResources, NamedRuleWithOperations } from '@orrery/api/types';
import type { LabelSelectorObject } from '@orrery/apimachinery';
import type { AdmissionAttributes, PluginContext } from '../../pipeline/index.ts';
import { equivalents, namespaceSelected, objectSelected, ruleMatches } from '../webhooks/match.ts';

type Needs = Pick<PluginContext, 'read' | 'kinds'>;
type Rules = readonly NamedRuleWithOperations[];

function names(rule: NamedRuleWithOperations, attributes: AdmissionAttributes, kind: KindDescriptor): boolean {
  if (!ruleMatches(rule, attributes, kind)) return false;
  return !rule.resourceNames?.length || rule.resourceNames.includes(attributes.name);
}

/** As which kind a list of rules names the write: the kind itself, or an equivalent one unless the match is to be exact. */
function kindByRules(rules: Rules, attributes: AdmissionAttributes, { matchPolicy, kinds }: { matchPolicy: string | undefined; kinds: Needs['kinds'] }): KindDescriptor | undefined {
  if (rules.some((rule) => names(rule, attributes, attributes.kind))) return attributes.kind;
  if (matchPolicy !== 'Equivalent' || rules.length === 0) return undefined;
  const others = equivalents(attributes.kind, kinds);
  for (const rule of rules) {
    const found = others.find((kind) => names(rule, attributes, kind));
    if (found) return found;
  }
  return undefined;
}

interface Attempted {
  readonly selected: boolean;
  readonly error?: unknown;
}

function attempted(select: () => boolean): Attempted {
  try {
    return { selected: select() };
  } catch (error) {
    return { selected: false, error };
  }
}

/**
 * As which kind a policy or binding wants to see a write; undefined: it does not. What went wrong with a selector (its
 * namespace is not there) is thrown only if everything else matches.
 */
export function matchResources(match: MatchResources | undefined, attributes: AdmissionAttributes, { read, kinds }: Needs): KindDescriptor | undefined {
  if (!match) return attributes.kind;
  const { resourceRules = [], excludeResourceRules = [], matchPolicy } = match;
  const byNamespace = attempted(() => namespaceSelected(match.namespaceSelector as LabelSelectorObject | undefined, attributes, read));
  if (!byNamespace.selected && !byNamespace.error) return undefined;
  const byObject = attempted(() => objectSelected(match.objectSelector as LabelSelectorObject | undefined, attributes));
  if (!byObject.selected && !byObject.error) return undefined;
  if (kindByRules(excludeResourceRules, attributes, { matchPolicy, kinds })) return undefined;
  const kind = resourceRules.length === 0 ? attributes.kind : kindByRules(resourceRules, attributes, { matchPolicy, kinds });
  if (kind && byNamespace.error) throw byNamespace.error;
  if (kind && byObject.error) throw byObject.error;
  return kind;
}
