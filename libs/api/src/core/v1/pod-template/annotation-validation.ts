import type { AppArmorProfile, PodSpec, SeccompProfile, Toleration } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { maxInt32 } from '../../../validation/fields.ts';
import { allContainers } from './container-validation.ts';
import { checkDescendingPath } from './path-validation.ts';
import { checkTolerations } from './scheduling-validation.ts';

type Annotations = Readonly<Record<string, string>> | undefined;

export const mirrorAnnotation = 'kubernetes.io/config.mirror';
export const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';
export const seccompAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
export const seccompPrefix = 'container.seccomp.security.alpha.kubernetes.io/';
const tolerationsAnnotation = 'scheduler.alpha.kubernetes.io/tolerations';
const deletionCost = 'controller.kubernetes.io/pod-deletion-cost';

function checkSeccomp(profile: string, at: FieldPath): void {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return;
  if (profile.startsWith('localhost/')) checkDescendingPath(profile.slice('localhost/'.length), at);
  else at.invalid(profile, 'must be a valid seccomp profile');
}

function checkAppArmor(profile: string, at: FieldPath): void {
  const fits = profile === '' || profile === 'runtime/default' || profile === 'unconfined' || profile.startsWith('localhost/');
  if (!fits) at.invalid(profile, `invalid AppArmor profile name: ${JSON.stringify(profile)}`);
}

function parseTolerations(text: string, at: FieldPath): Toleration[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null)) return value as Toleration[];
    if (value !== null) at.invalid(tolerationsAnnotation, `json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type []core.Toleration`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    at.invalid(tolerationsAnnotation, error.message);
  }
  return [];
}

function fitsCost(text: string): boolean {
  return /^(0|-?[1-9][0-9]*)$/.test(text) && Number(text) <= maxInt32 && Number(text) >= -maxInt32 - 1;
}

/** Annotations that pods, or the templates they are made from, are told something by. */
export function checkPodAnnotations(annotations: Annotations, { spec, at }: { spec: PodSpec; at: FieldPath }): void {
  if (!annotations) return;
  const mirror = annotations[mirrorAnnotation];
  if (mirror !== undefined && !spec.nodeName) at.at(mirrorAnnotation).invalid(mirror, 'must set spec.nodeName if mirror pod annotation is set');
  const tolerations = annotations[tolerationsAnnotation];
  if (tolerations) checkTolerations(parseTolerations(tolerations, at), at.child(tolerationsAnnotation));
  const cost = annotations[deletionCost];
  if (cost !== undefined && !fitsCost(cost)) at.at(deletionCost).invalid(cost, 'must be a 32bit integer');
  const seccomp = annotations[seccompAnnotation];
  if (seccomp !== undefined) checkSeccomp(seccomp, at.child(seccompAnnotation));
  const names = new Set(allContainers(spec, at).map(({ container }) => container.name ?? ''));
  for (const [key, value] of Object.entries(annotations)) {
    if (key.startsWith(seccompPrefix)) checkSeccomp(value, at.child(key));
    if (!key.startsWith(appArmorPrefix)) continue;
    const name = key.slice(appArmorPrefix.length);
    if (!names.has(name)) at.at(key).invalid(name, 'container not found');
    checkAppArmor(value, at.at(key));
  }
}

/** What an update may not do to annotations, whatever else it does. */
export function checkAnnotationUpdate(annotations: Annotations, { old, at }: { old: Annotations; at: FieldPath }): void {
  for (const [key, before] of Object.entries(old ?? {})) {
    if (annotations?.[key] === before) continue;
    if (key.startsWith(appArmorPrefix)) at.at(key).forbidden('may not remove or update AppArmor annotations');
    if (key === mirrorAnnotation) at.at(key).forbidden('may not remove or update mirror pod annotation');
  }
  for (const key of Object.keys(annotations ?? {})) {
    if (old?.[key] !== undefined) continue;
    if (key.startsWith(appArmorPrefix)) at.at(key).forbidden('may not add AppArmor annotations');
    if (key === mirrorAnnotation) at.at(key).forbidden('may not add mirror pod annotation');
  }
}

const accepted: Readonly<Record<string, readonly string[]>> = { Unconfined: ['unconfined'], RuntimeDefault: ['runtime/default', 'docker/default'] };

function checkAgrees(annotation: string | undefined, { profile, at, word }: { profile: SeccompProfile | AppArmorProfile | undefined; at: FieldPath; word: 'seccomp' | 'apparmor' }): void {
  if (annotation === undefined || !profile) return;
  const values = accepted[profile.type ?? ''];
  const differs = `${word} type in annotation and field must match`;
  if (values) {
    // docker/default is a name of seccomp only.
    if (!values.includes(annotation) || (word === 'apparmor' && annotation === 'docker/default')) at.child('type').forbidden(differs);
  } else if (profile.type === 'Localhost') {
    if (!annotation.startsWith('localhost/')) at.child('type').forbidden(differs);
    else if (annotation.slice('localhost/'.length) !== profile.localhostProfile) at.child('localhostProfile').forbidden(`${word} profile in annotation and field must match`);
  }
}

/** A profile that is said twice is said alike. */
export function checkProfilesAgree(annotations: Annotations, { spec, at }: { spec: PodSpec; at: FieldPath }): void {
  if (!annotations) return;
  const context = spec.securityContext;
  checkAgrees(annotations[seccompAnnotation], { profile: context?.seccompProfile, at: at.child('securityContext').child('seccompProfile'), word: 'seccomp' });
  const containers = allContainers(spec, at);
  for (const { container, at: where } of containers) {
    checkAgrees(annotations[seccompPrefix + container.name], { profile: container.securityContext?.seccompProfile, at: where.child('securityContext').child('seccompProfile'), word: 'seccomp' });
  }
  if (spec.os?.name === 'windows') return;
  for (const { container, at: where } of containers) {
    const profile = container.securityContext?.appArmorProfile ?? context?.appArmorProfile;
    checkAgrees(annotations[appArmorPrefix + container.name], { profile, at: where.child('securityContext').child('appArmorProfile'), word: 'apparmor' });
  }
}
