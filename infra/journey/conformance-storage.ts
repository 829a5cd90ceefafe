import type { Kubectl } from '@orrery/testkit';
import { expect } from 'vitest';
import { apply, outputOf, pod, script, tester, untilLogs, untilPod, volumePod } from './conformance-pods.ts';

const configMap = (name: string, data: object, more: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data, ...more });
const mounttest = (...flags: string[]) => tester('mounttest', ...flags);

/** Modes, owners and contents of config maps, secrets and projections. */
export async function keyedVolumes(kubectl: Kubectl): Promise<void> {
  const binary = Buffer.from([0xde, 0xca, 0xfe, 0xba, 0xd0, 0xfe, 0xff]).toString('base64');
  const path = 'path/to/data-2';
  await apply(
    kubectl,
    configMap('values', { 'data-1': 'value-1', 'data-2': 'value-2' }, { binaryData: { 'dump.bin': binary } }),
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'secrets' }, stringData: { 'data-1': 'value-1' } },
    volumePod('cm-mode', { configMap: { name: 'values', defaultMode: 0o400 } }, { container: mounttest('--file_content=/v/data-1', '--file_mode=/v/data-1') }),
    volumePod('cm-item', { configMap: { name: 'values', items: [{ key: 'data-2', path, mode: 0o400 }] } }, { container: mounttest(`--file_content=/v/${path}`, `--file_mode=/v/${path}`), spec: { securityContext: { runAsUser: 1000, fsGroup: 1001 } } }),
    volumePod('cm-binary', { configMap: { name: 'values' } }, { container: script('hexdump -C /v/dump.bin') }),
    volumePod('secret-group', { secret: { secretName: 'secrets', defaultMode: 0o440 } }, { container: mounttest('--fs_type=/v', '--file_mode=/v/data-1', '--file_content=/v/data-1'), spec: { securityContext: { runAsUser: 1000, fsGroup: 1001 } } }),
    volumePod('secret-none', { secret: { secretName: 'none', optional: true } }, { container: script('ls /v | wc -l') }),
    volumePod('layout', { configMap: { name: 'values', items: [{ key: 'data-1', path: 'data-1' }] } }, { container: script('cd /v && readlink data-1 && readlink ..data | cut -c1-4 && ls -d ..20* | wc -l && touch /v/x') }),
  );
  expect(await outputOf(kubectl, 'cm-mode')).toContain('content of file "/v/data-1": value-1');
  expect(await kubectl.ok(['logs', 'cm-mode'])).toContain('mode of file "/v/data-1": -r--------');
  expect(await outputOf(kubectl, 'cm-item')).toBe(`mode of file "/v/${path}": -r--r-----\ncontent of file "/v/${path}": value-2\n`);
  expect(await outputOf(kubectl, 'cm-binary')).toContain('de ca fe ba d0 fe ff');
  expect(await outputOf(kubectl, 'secret-group')).toBe('mount type of "/v": tmpfs\nmode of file "/v/data-1": -r--r-----\ncontent of file "/v/data-1": value-1\n');
  expect(await outputOf(kubectl, 'secret-none')).toBe('0\n');
  await untilPod(kubectl, 'layout', { path: '{.status.phase}', value: 'Failed' });
  expect(await kubectl.ok(['logs', 'layout'])).toBe('..data/data-1\n..20\n1\ntouch: /v/x: Read-only file system\n');
}

/** Volumes follow their objects while pods run. */
export async function updates(kubectl: Kubectl): Promise<void> {
  const loop = (file: string) => mounttest('--break_on_expected_content=false', '--retry_time=120', `--file_content_in_loop=${file}`);
  await apply(
    kubectl,
    configMap('changes', { 'data-1': 'value-1' }),
    volumePod('follows-map', { configMap: { name: 'changes' } }, { container: loop('/v/data-1') }),
    volumePod('follows-late', { configMap: { name: 'later', optional: true } }, { container: loop('/v/data-3') }),
    volumePod('follows-labels', { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } }, { container: loop('/v/labels') }),
  );
  await untilLogs(kubectl, 'follows-map', { text: 'content of file "/v/data-1": value-1' });
  await untilLogs(kubectl, 'follows-late', { text: 'Error reading file /v/data-3: open /v/data-3: no such file or directory, retrying' });
  await untilLogs(kubectl, 'follows-labels', { text: 'test="follows-labels"' });
  await apply(kubectl, configMap('changes', { 'data-1': 'value-2' }), configMap('later', { 'data-3': 'value-3' }));
  await kubectl.ok(['label', 'pod', 'follows-labels', 'more=yes']);
  await untilLogs(kubectl, 'follows-map', { text: 'content of file "/v/data-1": value-2' });
  await untilLogs(kubectl, 'follows-late', { text: 'content of file "/v/data-3": value-3' });
  await untilLogs(kubectl, 'follows-labels', { text: 'more="yes"' });
}

/** emptyDir, hostPath, sub-paths: types, permissions, owners. */
export async function directories(kubectl: Kubectl): Promise<void> {
  const file = '/v/test-file';
  await apply(
    kubectl,
    volumePod('empty-memory', { emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } }, { container: mounttest('--fs_type=/v', `--new_file_0666=${file}`, `--file_perm=${file}`, `--file_owner=${file}`), spec: { securityContext: { runAsUser: 1001 } } }),
    volumePod('empty-group', { emptyDir: {} }, { container: mounttest('--file_mode=/v', `--new_file_0660=${file}`, `--file_owner=${file}`, `--file_perm=${file}`), spec: { securityContext: { fsGroup: 123 } } }),
    volumePod('host-tmp', { hostPath: { path: '/tmp' } }, { container: mounttest('--file_mode=/v') }),
    volumePod('host-hosts', { hostPath: { path: '/etc/hosts', type: 'File' } }, { container: script('grep -c localhost /v') }),
    pod('astray', [{ ...mounttest('--file_content=/v/test-file'), volumeMounts: [{ name: 'w', mountPath: '/v', subPath: 'ns' }] }], {
      initContainers: [{ name: 'i', ...script('ln -s /bin/notanexistingpath /v/ns'), volumeMounts: [{ name: 'w', mountPath: '/v' }] }],
      volumes: [{ name: 'w', emptyDir: {} }],
    }),
    pod('unused', [script('true')], { volumes: [{ name: 'w', configMap: { name: 'no-such-map' } }] }),
    volumePod('size', { emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } }, { container: script("df | grep ' /v$' | awk '{print $2}'; mount | grep -c 'tmpfs on /v '") }),
    pod(
      'expansion',
      [
        {
          ...script('echo test > /sub/test.log; test -f /whole/mypath/expansion/test.log && stat -c %a /whole/mypath'),
          env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          volumeMounts: [{ name: 'w', mountPath: '/sub', subPathExpr: 'mypath/$(POD_NAME)' }, { name: 'w', mountPath: '/whole' }],
        },
      ],
      { volumes: [{ name: 'w', emptyDir: {} }] },
    ),
  );
  expect(await outputOf(kubectl, 'empty-memory')).toBe(`mount type of "/v": tmpfs\ncontent of file "${file}": mount-tester new file\n\nperms of file "${file}": -rw-rw-rw-\nowner UID of "${file}": 1001\nowner GID of "${file}": 0\n`);
  expect(await outputOf(kubectl, 'empty-group')).toMatch(/^owner GID of "\/v\/test-file": 123$/m);
  expect(await kubectl.ok(['logs', 'empty-group'])).toContain(`perms of file "${file}": -rw-rw----`);
  expect(await outputOf(kubectl, 'host-tmp')).toBe('mode of file "/v": dtrwxrwxrwx\n');
  expect(Number(await outputOf(kubectl, 'host-hosts'))).toBeGreaterThan(0);
  expect(await outputOf(kubectl, 'size')).toBe('16384\n1\n');
  expect(await outputOf(kubectl, 'expansion')).toBe('777\n');
  await untilPod(kubectl, 'astray', { path: '{.status.containerStatuses[0].state.waiting.reason}: {.status.containerStatuses[0].state.waiting.message}', value: /^CreateContainerConfigError: failed to (?:create|prepare) subPath .*volumeMount "w" of container "c"$/ });
  await kubectl.ok(['delete', 'pod', 'astray', '--wait=false']);
  await outputOf(kubectl, 'unused');
}
