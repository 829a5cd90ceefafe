import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { etcdFlags, etcdSettings } from './etcd.ts';
import { kubeApiserverFlags, kubeApiserverSettings } from './kube-apiserver.ts';
import { last, readFlags } from './upstream-flags.ts';

const unknown = (word: string): string => `unknown flag: ${word}`;

describe('flags', () => {
  it('are read as Go reads them', () => {
    const flags = readFlags(['--name=a', '--data-dir', '/d', '-unsafe-no-fsync', '--listen-client-urls=http://127.0.0.1:1,http://[::1]:2'], etcdFlags, unknown);
    expect(etcdSettings(flags)).toEqual({ config: { dataDir: '/d', name: 'a' }, listen: [{ host: '127.0.0.1', port: 1 }, { host: '::1', port: 2 }], noFsync: true });
    expect(() => readFlags(['--nope=1'], etcdFlags, unknown)).toThrow('unknown flag: --nope=1');
    expect(() => readFlags(['--name'], etcdFlags, unknown)).toThrow('flag needs an argument: --name');
    expect(() => etcdSettings(readFlags(['--listen-client-urls=unix:///x'], etcdFlags, unknown))).toThrow('expected a URL such as');
    expect(() => etcdSettings(readFlags(['--snapshot-count=many'], etcdFlags, unknown))).toThrow('invalid value "many" for flag -snapshot-count: parse error');
  });

  it('of kube-apiserver come to settings', () => {
    const dir = mkdtempSync(join(tmpdir(), 'orrery-envtest-'));
    try {
      writeFileSync(join(dir, 'ca.crt'), 'CA');
      const words = [`--cert-dir=${dir}`, `--client-ca-file=${dir}/ca.crt`, '--secure-port=1', '--bind-address=127.0.0.1', '--allow-privileged=true', '--disable-admission-plugins=ServiceAccount', '--disable-admission-plugins=NamespaceLifecycle', '--feature-gates=A=true', '--etcd-servers=http://127.0.0.1:2'];
      const settings = kubeApiserverSettings(readFlags(words, kubeApiserverFlags, unknown));
      expect(settings).toMatchObject({ host: '127.0.0.1', port: 1, grpcPort: -1, clientCa: 'CA', disableAdmissionPlugins: ['ServiceAccount', 'NamespaceLifecycle'], etcdServers: 'http://127.0.0.1:2', authorizationMode: 'AlwaysAllow' });
      expect(settings.tlsCert).toContain('BEGIN CERTIFICATE');
      expect(last(readFlags(['--v=2'], kubeApiserverFlags, unknown), 'v')).toBe('2');
      expect(() => kubeApiserverSettings(readFlags(['--client-ca-file=/no/such'], kubeApiserverFlags, unknown))).toThrow('--client-ca-file: ENOENT');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('have no doubles', () => {
    for (const flags of [etcdFlags, kubeApiserverFlags]) expect(new Set(flags.map(({ name }) => name)).size).toBe(flags.length);
  });
});
