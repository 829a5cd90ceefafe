import type { FieldError } from '@orrery/errors';
import type { Pod, PodSpec } from '../../../../gen/types.ts';
import { type FieldPath, findProblems, indexed } from '../../../validation/field-path.ts';
import { checkPodAnnotations, checkProfilesAgree } from '../pod-template/annotation-validation.ts';
import { checkImages } from '../pod-template/container-validation.ts';
import { checkPodSpec } from '../pod-template/pod-spec-validation.ts';

export const noSpec: PodSpec = { containers: [] };

/** What holds for a pod at any time. */
export function checkNewPod(pod: Pod, root: FieldPath): void {
  const spec = pod.spec ?? noSpec;
  const at = root.child('spec');
  checkPodAnnotations(pod.metadata?.annotations, { spec, at: root.child('metadata').child('annotations') });
  checkPodSpec(spec, at, pod.metadata ?? {});
  if (!spec.serviceAccountName) {
    for (const [v, volume] of indexed(spec.volumes)) {
      for (const [s, source] of indexed(volume.projected?.sources)) {
        if (!source.serviceAccountToken) continue;
        at.child('volumes').at(v).child('projected').child('sources').at(s).child('serviceAccountToken').forbidden('must not be specified when serviceAccountName is not set');
      }
    }
  }
  checkImages(spec, at);
}

export function validatePod(pod: Pod): FieldError[] {
  const spec = pod.spec ?? noSpec;
  return findProblems((root) => {
    const at = root.child('spec');
    checkNewPod(pod, root);
    if (spec.ephemeralContainers?.length) at.child('ephemeralContainers').forbidden('cannot be set on create');
    if (spec.nodeName && spec.schedulingGates?.length) at.child('nodeName').forbidden('cannot be set until all schedulingGates have been cleared');
    checkProfilesAgree(pod.metadata?.annotations, { spec, at });
  });
}
