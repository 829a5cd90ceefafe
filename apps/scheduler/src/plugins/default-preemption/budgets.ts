import type { PodDisruptionBudget } from '@orrery/api/types';
import { labelSelectorMatcher } from '@orrery/client';
import type { PodInfo } from '../../cache/pod-info.ts';

interface Budget {
  readonly namespace: string;
  readonly matches: (labels: Readonly<Record<string, string>>) => boolean;
  /** Disrupted already, and counted in the budget's status. */
  readonly disrupted: Readonly<Record<string, unknown>>;
  left: number;
}

function toBudgets({ metadata, spec, status }: PodDisruptionBudget): Budget[] {
  const { selector } = spec ?? {};
  if (!Object.keys(selector?.matchLabels ?? {}).length && !selector?.matchExpressions?.length) return [];
  return [{ namespace: metadata?.namespace ?? '', matches: labelSelectorMatcher(selector), disrupted: status?.disruptedPods ?? {}, left: status?.disruptionsAllowed ?? 0 }];
}

/** Splits pods, in their order, by whether evicting all before them and them would go over a disruption budget. */
export function splitByBudget(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]): { violating: PodInfo[]; harmless: PodInfo[] } {
  const counted = budgets.flatMap(toBudgets);
  const [violating, harmless]: [PodInfo[], PodInfo[]] = [[], []];
  for (const info of pods) {
    const { name = '', namespace = '', labels = {} } = info.pod.metadata ?? {};
    let over = false;
    if (Object.keys(labels).length) {
      for (const budget of counted) {
        if (budget.namespace !== namespace || name in budget.disrupted || !budget.matches(labels)) continue;
        budget.left -= 1;
        if (budget.left < 0) over = true;
      }
    }
    (over ? violating : harmless).push(info);
  }
  return { violating, harmless };
}
