import { parse as parseYaml } from 'yaml';
import { describe, expect, it } from 'vitest';
import { flagsOf, flagzPage, statuszPage } from './z-pages.ts';

const status = { component: 'kube-scheduler', startedMs: Date.UTC(2026, 9, 6, 21, 3, 43), nowMs: Date.UTC(2026, 9, 6, 22, 4, 48), paths: ['/metrics', '/metrics/slis', '/healthz', '/apis', '/'] };
const object = (kind: string, version = 'v1beta1', type = 'json'): string => `application/${type};v=${version};g=config.k8s.io;as=${kind}`;

describe('/statusz', () => {
  it('is text unless another form is asked for', () => {
    for (const accept of [undefined, '', 'text/plain', '*/*', 'application/json;v=foo;g=config.k8s.io;as=Statusz,*/*', 'text/*;q=0.1, application/xml']) {
      const { status: code, headers, body } = statuszPage(accept, status);
      expect([code, headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
      expect(body).toMatch(/^\nkube-scheduler statusz\nWarning: This endpoint is not meant to be machine parseable[^\n]+\n\nStarted: Tue Oct {2}6 21:03:43 UTC 2026\nUp: 1 hr 01 min 05 sec\nGo version: \S+\nBinary version: 1\.36\.\d+\nEmulation version: 1\.36\nPaths: \/healthz \/metrics\n$/);
    }
  });

  it('is an object when group, version and kind are named, with a warning for versions that are deprecated', () => {
    const expected = { kind: 'Statusz', metadata: { name: 'kube-scheduler' }, startTime: '2026-10-06T21:03:43Z', uptimeSeconds: 3665, emulationVersion: '1.36', paths: ['/healthz', '/metrics'] };
    const beta = statuszPage(`${object('Statusz')},${object('Statusz', 'v1alpha1')}`, status);
    expect(JSON.parse(beta.body)).toMatchObject({ ...expected, apiVersion: 'config.k8s.io/v1beta1' });
    expect(beta.headers).toEqual({ 'content-type': 'application/json' });
    const alpha = statuszPage(`${object('Statusz', 'v1alpha1')},${object('Statusz')}`, status);
    expect(JSON.parse(alpha.body)).toMatchObject({ ...expected, apiVersion: 'config.k8s.io/v1alpha1' });
    expect(alpha.headers['warning']).toContain('statusz endpoint is deprecated');
    const yaml = statuszPage(object('Statusz', 'v1beta1', 'yaml'), status);
    expect([yaml.headers['content-type'], parseYaml(yaml.body)]).toEqual(['application/yaml', expect.objectContaining(expected)]);
  });

  it('is refused in forms that there are not', () => {
    for (const accept of ['application/xml', 'application/json', 'application/json;v=v1beta1;g=config.k8s.io', object('Flagz'), object('Statusz', 'v1beta1', 'vnd.kubernetes.protobuf'), 'text/plain;as=Statusz']) {
      const { status: code, body } = statuszPage(accept, status);
      expect([code, JSON.parse(body)]).toEqual([406, expect.objectContaining({ reason: 'NotAcceptable', message: 'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf, text/plain' })]);
    }
  });
});

describe('/flagz', () => {
  const flags = flagsOf({ v: 2, leaderElect: true, controllers: ['*', '-ttl'], tokenAuth: 's3cret', clientCa: '-----BEGIN', clusterSigningKeyFile: '/ca.key', apiServer: 'x' }, { v: { type: 'number', help: '' }, leaderElect: { type: 'boolean', help: '' }, controllers: { type: 'list', help: '' }, tokenAuth: { type: 'string', help: '' }, clientCa: { type: 'string', help: '' }, clusterSigningKeyFile: { type: 'string', help: '' } });

  it('shows the flags by name, and no secrets', () => {
    expect(flagzPage(undefined, { component: 'kubelet', flags }).body.split('\n').slice(3)).toEqual(['client-ca=CLASSIFIED', 'cluster-signing-key-file=/ca.key', 'controllers=[*,-ttl]', 'leader-elect=true', 'token-auth=CLASSIFIED', 'v=2', '']);
    expect(JSON.parse(flagzPage(object('Flagz'), { component: 'kubelet', flags }).body)).toMatchObject({ kind: 'Flagz', apiVersion: 'config.k8s.io/v1beta1', metadata: { name: 'kubelet' }, flags: { 'leader-elect': 'true' } });
  });
});
