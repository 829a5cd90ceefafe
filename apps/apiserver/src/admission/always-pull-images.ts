import type { Pod } from '@orrery/api/types';
import { forbidden } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin } from '../pipeline/index.ts';
import { createsOrUpdates, subjectOf, wants } from './match.ts';

const always = 'Always';
const lists = ['initContainers', 'containers', 'ephemeralContainers'] as const;

interface Pulled {
  readonly path: string;
  policy(): string | undefined;
  set(): void;
}

/** Everything in a pod that is pulled. */
function pulled({ spec }: Pod): Pulled[] {
  const containers = lists.flatMap((list) =>
    (spec?.[list] ?? []).map((container, i) => ({
      path: `spec.${list}[${i}].imagePullPolicy`, policy: () => container.imagePullPolicy, set: () => void (container.imagePullPolicy = always),
    })),
  );
  const volumes = (spec?.volumes ?? []).flatMap(({ image }, i) => (image ? [{ path: `spec.volumes[${i}].image.pullPolicy`, policy: () => image.pullPolicy, set: () => void (image.pullPolicy = always) }] : []));
  return [...containers, ...volumes];
}

const imagesOf = ({ spec }: Pod): Set<string> =>
  new Set([...lists.flatMap((list) => (spec?.[list] ?? []).map(({ image }) => image ?? '')), ...(spec?.volumes ?? []).flatMap(({ image }) => image?.reference ?? [])]);

/** An update that brings no new image may leave the policies as they are. */
function isSettled({ operation, object, oldObject }: AdmissionAttributes): boolean {
  if (operation !== 'UPDATE') return false;
  const before = imagesOf(oldObject as Pod);
  return [...imagesOf(object as Pod)].every((image) => before.has(image));
}

/** Who runs an image must be able to pull it, even where it is cached. */
export const alwaysPullImages: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  handles: wants(createsOrUpdates('pods'), { resource: 'pods', subresource: 'ephemeralcontainers', operations: ['UPDATE'] }),
  admit(attributes) {
    if (!isSettled(attributes)) for (const one of pulled(attributes.object as Pod)) one.set();
  },
  validate(attributes) {
    if (isSettled(attributes)) return;
    const wrong = pulled(attributes.object as Pod).find((one) => one.policy() !== always);
    if (wrong) throw forbidden(subjectOf(attributes), `${wrong.path}: Unsupported value: ${JSON.stringify(wrong.policy() ?? '')}: supported values: ${JSON.stringify(always)}`);
  },
};
