import { ClusterTrustBundles, PodCertificateRequests } from '@orrery/api';
import { rfc3339 } from '@orrery/runtime';
import { describe, expect, it, vi } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';

const signerName = 'kubernetes.io/kube-apiserver-serving';
const publisher = 'kube-apiserver-serving-clustertrustbundle-publisher-controller';

describe('what is behind gates that are off', () => {
  it.each(['podcertificaterequest-cleaner-controller', publisher])('%s is known without its gate: who asks for it is told, who turns it off is not', async (name) => {
    const [asked, turnedOff] = [await startManager({ controllers: ['job-controller', name] }), await startManager({ controllers: ['job-controller', `-${name}`] })];
    expect([asked.complaints, turnedOff.complaints]).toEqual([[expect.stringMatching(`^controller does not run: its feature gate is off.*${name}`)], []]);
  });
});

it('requests for certificates of pods go when they are fifteen minutes old', async () => {
  const h = await startManager({ controllers: ['podcertificaterequest-cleaner-controller'], featureGates: ['PodCertificateRequest=true'] });
  h.api.seed(PodCertificateRequests, { metadata: { name: 'r', namespace: 'ns', creationTimestamp: rfc3339(h.clock.now()) } });
  const left = (): number => h.api.objects(PodCertificateRequests).length;
  await h.clock.advance(14 * 60_000);
  expect(left()).toBe(1);
  await h.clock.advance(2 * 60_000);
  expect([left(), h.complaints]).toEqual([0, []]);
});

it('the bundle of the API server is the only one of its signer, and is mended', async () => {
  const rootCaPem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  const h = await startManager({ controllers: [publisher], featureGates: ['ClusterTrustBundle=true'] }, { rootCaPem });
  const bundles = (): (readonly [string, string])[] => h.api.objects(ClusterTrustBundles).map(({ metadata, spec }) => [metadata?.name ?? '', spec?.trustBundle ?? '']);
  // What it is named after is worked out in real time: the first twelve bytes of its sha256sum.
  await vi.waitFor(() => expect(bundles()).toHaveLength(1));
  const [[name = ''] = []] = bundles();
  expect(bundles()).toEqual([['kubernetes.io:kube-apiserver-serving:704bd2ba79e5c2f51ebdbd12', rootCaPem]]);
  const mended = (): Promise<void> => vi.waitFor(async () => {
    await h.clock.advance(1000);
    expect(bundles().sort()).toEqual([[name, rootCaPem], ['other', 'other']]);
  });
  h.api.seed(ClusterTrustBundles, { metadata: { name: 'kubernetes.io:kube-apiserver-serving:old' }, spec: { signerName, trustBundle: 'old' } });
  h.api.seed(ClusterTrustBundles, { metadata: { name: 'other' }, spec: { trustBundle: 'other' } });
  await h.api.patch(ClusterTrustBundles, { name }, { spec: { trustBundle: 'changed' } }, { type: 'application/merge-patch+json' });
  await mended();
  await h.api.delete(ClusterTrustBundles, { name });
  await mended();
  expect(h.metrics()).toContain('clustertrustbundle_publisher_sync_total{code="200"}');
  expect(h.complaints).toEqual([]);
});
