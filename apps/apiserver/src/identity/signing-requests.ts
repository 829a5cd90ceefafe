import type { CertificateSigningRequest } from '@orrery/api/types';
import { fieldError, invalid } from '@orrery/errors';
import { parseCsr } from '@orrery/node-io/pki';
import type { AdmissionPlugin } from '../pipeline/index.ts';

const group = 'certificates.k8s.io';

/**
 * A signing request must be signed by its own key. Part of the validation of the kind upstream; here where keys can be used. Throws 422.
 */
export const signedRequests: AdmissionPlugin = {
  name: 'CertificateRequestSignature',
  handles: ({ kind, operation, subresource }) => operation === 'CREATE' && kind.group === group && kind.resource === 'certificatesigningrequests' && subresource === '',
  validate({ object, name }) {
    const { request = '' } = (object as CertificateSigningRequest).spec ?? {};
    try {
      parseCsr(Buffer.from(request, 'base64').toString('utf8'));
    } catch (error) {
      throw invalid({ group, kind: 'CertificateSigningRequest', name }, [fieldError.invalid('spec.request', request, (error as Error).message)]);
    }
  },
};
