import { execFile } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Pods, ServiceAccounts } from '@orrery/api';
import { ensurePki } from '@orrery/node-io';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../src/plugins.ts';
import { startTestServer, type TestServer } from './test-server.ts';

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first that KUBECTL names, else the one in PATH. */
function kubectlProgram(): string | undefined {
  const named = (process.env['KUBECTL'] ?? '').split(delimiter).filter((path) => path !== '');
  const inPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'kubectl'));
  return [...named, ...inPath].find(isProgram);
}

const program = kubectlProgram();
const editBinding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: robots, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: robot, namespace: default}]
`;

let t: TestServer;
let folder = '';
let server = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'orrery-kubectl-auth-'));
  const pki = ensurePki(undefined);
  t = await startTestServer({ tlsCert: pki.serverCert, tlsKey: pki.serverKey, clientCa: pki.caCert, serviceAccountKey: pki.saKey }, { plugins });
  for (const name of ['default', 'robot']) await t.api.create(ServiceAccounts, { metadata: { name, namespace: 'default' } });
  await t.api.create(Pods, { metadata: { name: 'p', namespace: 'default' }, spec: { serviceAccountName: 'robot', containers: [{ name: 'c', image: 'nginx' }] } });
  server = `https://127.0.0.1:${t.server.port}`;
  writeFileSync(join(folder, 'admin'), pki.kubeconfig({ server, user: 'admin', groups: ['system:masters'] }));
  writeFileSync(join(folder, 'ca.crt'), pki.caCert);
  writeFileSync(join(folder, 'none'), '');
  writeFileSync(join(folder, 'edit.yaml'), editBinding);
});
afterAll(async () => {
  await t?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Output {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

function run(line: string, token?: string): Promise<Output> {
  const access = token === undefined ? [`--kubeconfig=${join(folder, 'admin')}`] : [`--kubeconfig=${join(folder, 'none')}`, `--server=${server}`, `--certificate-authority=${join(folder, 'ca.crt')}`, `--token=${token}`];
  return new Promise((resolve) => {
    execFile(program ?? '', [...access, `--cache-dir=${join(folder, 'cache')}`, ...line.split(' ')], (error, stdout, stderr) => resolve({ ok: error === null, stdout, stderr }));
  });
}

describe.runIf(program)('kubectl auth', () => {
  const boundToken = async (): Promise<string> => (await run('create token robot --bound-object-kind Pod --bound-object-name p')).stdout.trim();

  it('tells who one is, by certificate, token and impersonation', async () => {
    expect((await run('auth whoami')).stdout).toMatch(/Username\s+admin\n.*Groups\s+\[system:masters system:authenticated\]/s);
    expect((await run('auth whoami', await boundToken())).stdout).toMatch(/system:serviceaccount:default:robot\n.*UID.*\[system:serviceaccounts system:serviceaccounts:default system:authenticated\].*credential-id\s+\[JTI=.*pod-name\s+\[p\]/s);
    expect((await run('auth whoami --as bob --as-group CN=a,OU=b --as-uid 7')).stdout).toMatch(/bob\n.*7\n.*\[CN=a,OU=b system:authenticated\]/s);
    expect(await run('auth whoami', 'nonsense')).toMatchObject({ ok: false, stderr: expect.stringContaining('You must be logged in to the server (Unauthorized)') });
  });

  it('makes tokens, and says why it does not', async () => {
    expect((await run('create token robot --duration 1m')).stderr).toContain('may not specify a duration less than 10 minutes');
    expect((await run('create token robot --bound-object-kind Pod --bound-object-name p --bound-object-uid x')).stderr).toContain('does not match the UID in record');
    expect((await run('create token default --bound-object-kind Pod --bound-object-name p')).stderr).toContain('cannot bind token for serviceaccount "default" to pod running with different serviceaccount name.');
    expect((await run('create token nobody')).stderr).toContain('serviceaccounts "nobody" not found');
  });

  it('tells what one may do, and lets one do no more', async () => {
    expect((await run('create rolebinding robots --clusterrole=view --serviceaccount=default:robot')).ok).toBe(true);
    const token = await boundToken();
    expect((await run('auth can-i list pods', token)).stdout).toBe('yes\n');
    expect((await run('auth can-i delete pods', token)).stdout).toBe('no\n');
    expect((await run('auth can-i --list', token)).stdout).toMatch(/^selfsubjectreviews\.authentication\.k8s\.io\s+\[\]\s+\[\]\s+\[create\]$/m);
    expect((await run('delete pod p', token)).stderr).toBe('Error from server (Forbidden): pods "p" is forbidden: User "system:serviceaccount:default:robot" cannot delete resource "pods" in API group "" in the namespace "default"\n');
    const escalated = await run('create clusterrole strong --verb=get --resource=secrets --as=system:serviceaccount:default:robot');
    expect(escalated.stderr).toContain('cannot create resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope');
  });

  it('reconciles bindings to another role by making them anew', async () => {
    expect((await run(`replace -f ${join(folder, 'edit.yaml')}`)).stderr).toContain('cannot change roleRef');
    expect((await run(`auth reconcile -f ${join(folder, 'edit.yaml')}`)).stdout).toContain('rolebinding.rbac.authorization.k8s.io/robots reconciled');
    expect((await run('auth can-i delete pods', await boundToken())).stdout).toBe('yes\n');
  });

  it('is refused what would give away more than one holds', async () => {
    await run('create role roles --verb=create,get --resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io');
    await run('create rolebinding roles --role=roles --user=jane');
    expect((await run('create role strong --verb=get --resource=secrets --as=jane --as-group=devs')).stderr).toContain(
      'roles.rbac.authorization.k8s.io "strong" is forbidden: user "jane" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
    );
    expect((await run('create rolebinding strong --clusterrole=admin --user=jane --as=jane')).stderr).toContain('is attempting to grant RBAC permissions not currently held');
    expect((await run('create role roles2 --verb=get --resource=roles.rbac.authorization.k8s.io --as=jane')).ok).toBe(true);
  });
});
