import { PodCertificateRequests } from '@orrery/api';
import type { CertificatesV1beta1PodCertificateRequest as PodCertificateRequest } from '@orrery/api/types';
import { defineController } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';

/** Longer than any way of a certificate to its pod takes, as upstream has it. */
const keptMs = 15 * 60_000;

/** Deletes requests for certificates of pods once they are old, whatever became of them. */
export const podCertificateRequestCleaner = defineController<PodCertificateRequest>({
  name: 'podcertificaterequest-cleaner-controller',
  account: 'podcertificaterequestcleaner',
  for: PodCertificateRequests,
  needs: PodCertificateRequests,
  async reconcile(key, { api, env, store }) {
    const request = store(PodCertificateRequests).get(key);
    if (!request) return undefined;
    const { namespace = '', name = '', uid, creationTimestamp = '' } = request.metadata ?? {};
    const waitMs = Date.parse(creationTimestamp) + keptMs - env.clock.now();
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    await api.delete(PodCertificateRequests, { namespace, name }, uid ? { preconditions: { uid } } : {}).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    return undefined;
  },
});
