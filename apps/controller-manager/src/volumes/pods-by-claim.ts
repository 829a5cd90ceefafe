import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { podClaims } from '@orrery/api/volumes';
import type { ControllerContext } from '@orrery/controller';

type Store = Pick<ControllerContext, 'store'>;

const byClaim = 'claim';
const none: readonly string[] = [];

export const usesClaims = ({ spec }: Pod): boolean => spec?.volumes?.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral) ?? false;

/** `namespace/name` of the claims of its volumes. */
export const claimKeysOf = (pod: Pod): readonly string[] => (usesClaims(pod) ? podClaims(pod).map(({ claim }) => `${pod.metadata?.namespace ?? ''}/${claim}`) : none);

/** To be called in `setup`, so that `podsOfClaim` can be asked. */
export function indexPodsByClaim({ store }: Store): void {
  store(Pods).addIndexer(byClaim, claimKeysOf);
}

/** Pods with a volume of the claim. */
export const podsOfClaim = ({ store }: Store, { namespace = '', name = '' }: { readonly namespace?: string; readonly name?: string }): Iterable<Pod> => store(Pods).byIndex(byClaim, `${namespace}/${name}`);
