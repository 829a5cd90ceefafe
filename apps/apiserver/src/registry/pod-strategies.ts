import type { Container, EphemeralContainer, Pod } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { type FieldError, fieldError } from '@orrery/errors';
import type { UpdateStrategy } from './update-strategy.ts';

const never = (): boolean => false;

/** The old pod with only what `change` takes over from the draft. */
function rebuild(draft: Pod, old: Pod, spec: Pod['spec']): void {
  const generation = (old.metadata?.generation ?? 0) + (deepEqual(spec, old.spec) ? 0 : 1);
  const managed = (draft.metadata as { managedFields?: unknown } | undefined)?.managedFields;
  Object.assign(draft, old, { spec, metadata: { ...old.metadata, generation, ...(managed ? { managedFields: managed } : {}) } });
}

const ephemeralContainers: UpdateStrategy = {
  prepare(draft: Pod, old: Pod) {
    const { spec } = old;
    if (spec) rebuild(draft, old, { ...spec, ephemeralContainers: draft.spec?.ephemeralContainers as EphemeralContainer[] });
  },
  validate(draft: Pod, old: Pod): FieldError[] {
    const now = new Map((draft.spec?.ephemeralContainers ?? []).map((c) => [c.name, c]));
    const errors: FieldError[] = [];
    for (const [i, before] of (old.spec?.ephemeralContainers ?? []).entries()) {
      const after = now.get(before.name);
      const path = 'spec.ephemeralContainers';
      if (!after) errors.push(fieldError.forbidden(path, `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed\n`));
      else if (!deepEqual(before, after)) errors.push(fieldError.forbidden(`${path}[${i}]`, `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed\n`));
    }
    return errors;
  },
  removes: never,
};

function resized(before: readonly Container[] | undefined, after: readonly Container[] | undefined): Container[] {
  return (before ?? []).map((container) => {
    const wanted = after?.find((c) => c.name === container.name);
    if (!wanted) return container;
    const { resources, resizePolicy } = wanted;
    return { ...container, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) };
  });
}

const resize: UpdateStrategy = {
  prepare(draft: Pod, old: Pod) {
    const { spec } = old;
    if (!spec) return;
    const containers = resized(spec.containers, draft.spec?.containers);
    const initContainers = spec.initContainers ? { initContainers: resized(spec.initContainers, draft.spec?.initContainers) } : {};
    rebuild(draft, old, { ...spec, containers, ...initContainers });
  },
  validate(draft: Pod, old: Pod): FieldError[] {
    const before = (old.spec?.containers ?? []).map((c) => Object.keys(c.resources?.requests ?? {}).concat(Object.keys(c.resources?.limits ?? {})));
    return (draft.spec?.containers ?? []).flatMap((container, i) => {
      const names = [...Object.keys(container.resources?.requests ?? {}), ...Object.keys(container.resources?.limits ?? {})];
      const foreign = names.filter((name) => name !== 'cpu' && name !== 'memory' && !before[i]?.includes(name));
      return foreign.length ? [fieldError.forbidden('spec', 'only cpu and memory resources are mutable')] : [];
    });
  },
  removes: never,
};

export const podStrategies: Readonly<Record<string, UpdateStrategy>> = { ephemeralcontainers: ephemeralContainers, resize };
