import { IngressClasses } from '@orrery/api';
import type { Ingress, IngressClass } from '@orrery/api/types';
import type { AdmissionPlugin, ObjectReader } from '../pipeline/index.ts';
import { creates, wants } from './match.ts';

const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class';
const legacyAnnotation = 'kubernetes.io/ingress.class';

/** Ingresses that name no class get the default one, the newest if several are marked. */
export function defaultIngressClass(read: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    handles: wants(creates('ingresses', 'networking.k8s.io')),
    admit({ object }) {
      const ingress = object as Ingress;
      if (ingress.spec?.ingressClassName !== undefined || ingress.metadata?.annotations?.[legacyAnnotation] !== undefined) return;
      const order = (one: IngressClass): string => `${one.metadata?.creationTimestamp ?? ''}`;
      const [found] = read
        .list(IngressClasses)
        .filter((one) => one.metadata?.annotations?.[defaultAnnotation] === 'true')
        .sort((a, b) => (order(a) === order(b) ? ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1) : order(a) > order(b) ? -1 : 1));
      if (found) ingress.spec = { ...ingress.spec, ingressClassName: found.metadata?.name ?? '' };
    },
  };
}
