import type { CertificateSigningRequest } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { badRequest, forbidden } from '@orrery/errors';
import { parseCsr } from '@orrery/node-io/pki';
import type { AdmissionAttributes, AdmissionPlugin, Authorizer } from '../pipeline/index.ts';
import { systemMasters } from '../authorization/system-masters.ts';
import { subjectOf, wants } from './match.ts';

const group = 'certificates.k8s.io';
const resource = 'certificatesigningrequests';

/** May the user do `verb` for the signer, by its name or by `domain/*`? */
async function mayFor(authorize: Authorizer['authorize'], attributes: AdmissionAttributes, question: { verb: string; signerName: string }): Promise<boolean> {
  const { verb, signerName } = question;
  for (const name of [signerName, `${signerName.split('/')[0]}/*`]) {
    const info = { isResource: true, path: '', verb, group, version: '*', resource: 'signers', subresource: '', namespace: '', name };
    if ((await authorize({ user: attributes.user, info })).decision === 'allow') return true;
  }
  return false;
}

/** The requester is who sent the request, whatever the object says. */
export const certificateRequester: AdmissionPlugin = {
  name: 'CertificateRequester',
  handles: wants({ group, resource, operations: ['CREATE'] }),
  admit({ object, user }) {
    const { username, uid, groups, extra } = user;
    const csr = object as CertificateSigningRequest;
    const extraLists = extra && Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));
    const { uid: _uid, extra: _extra, ...spec } = (csr.spec ?? {}) as NonNullable<CertificateSigningRequest['spec']>;
    csr.spec = { ...spec, username, groups: [...groups], ...(uid ? { uid } : {}), ...(extraLists ? { extra: extraLists } : {}) };
  },
};

/** Approving takes the permission to approve for the signer. */
export function certificateApproval(authorize: Authorizer['authorize']): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    handles: wants({ group, resource, subresource: 'approval', operations: ['UPDATE'] }),
    async validate(attributes) {
      const signerName = (attributes.oldObject as CertificateSigningRequest).spec?.signerName ?? '';
      if (await mayFor(authorize, attributes, { verb: 'approve', signerName })) return;
      throw forbidden(subjectOf(attributes), `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`);
    },
  };
}

const failures = (csr: CertificateSigningRequest): string => JSON.stringify((csr.status?.conditions ?? []).filter((condition) => condition.type === 'Failed'));

/** Issuing a certificate, or failing to, takes the permission to sign for the signer. */
export function certificateSigning(authorize: Authorizer['authorize']): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: wants({ group, resource, subresource: 'status', operations: ['UPDATE'] }),
    async validate(attributes) {
      const [csr, old] = [attributes.object as CertificateSigningRequest, attributes.oldObject as CertificateSigningRequest];
      if (csr.status?.certificate === old.status?.certificate && failures(csr) === failures(old)) return;
      const signerName = old.spec?.signerName ?? '';
      if (await mayFor(authorize, attributes, { verb: 'sign', signerName })) return;
      throw forbidden(subjectOf(attributes), `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`);
    },
  };
}

/** A trust bundle of a signer takes the permission to attest for the signer. */
export function clusterTrustBundleAttest(authorize: Authorizer['authorize']): AdmissionPlugin {
  return {
    name: 'ClusterTrustBundleAttest',
    handles: ({ kind, subresource, operation }) => kind.group === group && kind.resource === 'clustertrustbundles' && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
    async validate(attributes) {
      const signerName = ((attributes.object as { spec?: { signerName?: string } }).spec?.signerName ?? '');
      if (!signerName || deepEqual(attributes.object, attributes.oldObject) || (await mayFor(authorize, attributes, { verb: 'attest', signerName }))) return;
      throw forbidden(subjectOf(attributes), `user not permitted to attest for signerName ${JSON.stringify(signerName)}`);
    },
  };
}

/** Nobody becomes a member of system:masters by a certificate of the API server's own signer. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: wants({ group, resource, operations: ['CREATE'] }),
  validate(attributes) {
    const { spec } = attributes.object as CertificateSigningRequest;
    if (spec?.signerName !== 'kubernetes.io/kube-apiserver-client') return;
    let organizations: readonly string[];
    try {
      ({ organizations } = parseCsr(Buffer.from(spec.request ?? '', 'base64').toString()).subject);
    } catch (error) {
      throw badRequest(`unable to parse CSR: ${(error as Error).message}`);
    }
    if (organizations.includes(systemMasters)) {
      throw forbidden(subjectOf(attributes), `use of ${spec.signerName} signer with ${systemMasters} group is not allowed`);
    }
  },
};
