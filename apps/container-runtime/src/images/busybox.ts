import { executableFile } from '../process/executable.ts';
import type { ImageEntry } from '../fs/image-layer.ts';
import { appletNames, busyboxProgram } from '../busybox/index.ts';
import type { BaseLayer, ImageDefinition } from './define-image.ts';

const usrBin = new Set(['awk', 'basename', 'cut', 'dirname', 'env', 'expr', 'find', 'free', 'getent', 'head', 'hexdump', 'id', 'killall', 'less', 'md5sum', 'nc', 'nproc', 'nslookup', 'od', 'pgrep', 'pkill', 'printf', 'realpath', 'seq', 'sha1sum', 'sha256sum', 'sha512sum', 'shuf', 'sort', 'split', 'strings', 'tac', 'tail', 'tee', 'test', 'time', 'timeout', 'top', 'tr', 'tty', 'uniq', 'uptime', 'wc', 'wget', 'which', 'whoami', 'xargs', 'yes']);

function appletLinks(): Record<string, ImageEntry> {
  const links: Record<string, ImageEntry> = {};
  for (const name of appletNames) links[`${name === 'httpd' ? '/usr/sbin' : usrBin.has(name) ? '/usr/bin' : '/bin'}/${name}`] = { link: '/bin/busybox' };
  return links;
}

/** /etc/passwd and /etc/group of images that have no users of their own. */
export const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nginx:x:101:101:nginx:/var/cache/nginx:/sbin/nologin
redis:x:999:999::/data:/bin/sh
postgres:x:70:70::/var/lib/postgresql:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
`;

export const group = `root:x:0:
daemon:x:1:
bin:x:2:
www-data:x:33:
nginx:x:101:
redis:x:999:
postgres:x:70:
nogroup:x:65534:
`;

/** The layer below every image that does not start empty. */
export const baseLayer: BaseLayer = {
  programs: new Map([['busybox', busyboxProgram]]),
  files: {
    ...appletLinks(),
    '/bin/busybox': executableFile('busybox'),
    '/bin/sh': { link: '/bin/busybox' },
    '/bin/ash': { link: '/bin/busybox' },
    '/etc/passwd': passwd,
    '/etc/group': group,
    '/etc/shadow': { content: 'root:*:10933:0:99999:7:::\n', mode: 0o600 },
    '/etc/nsswitch.conf': 'hosts: files dns\n',
    '/home': { directory: true },
    '/root': { directory: true, mode: 0o700 },
    '/tmp': { directory: true, mode: 0o1777 },
    '/usr/lib': { directory: true },
    '/usr/local/bin': { directory: true },
    '/usr/sbin': { directory: true },
    '/sbin': { directory: true },
    '/lib': { directory: true },
    '/mnt': { directory: true },
    '/opt': { directory: true },
    '/run': { directory: true },
    '/srv': { directory: true },
    '/var/log': { directory: true },
    '/var/run': { link: '/run' },
    '/var/tmp': { directory: true, mode: 0o1777 },
    '/var/spool': { directory: true },
    '/var/www': { directory: true },
  },
};

export const busybox: ImageDefinition = {
  names: ['busybox', 'registry.k8s.io/e2e-test-images/busybox', 'registry.k8s.io/busybox', 'gcr.io/google_containers/busybox', 'public.ecr.aws/docker/library/busybox'],
  cmd: ['sh'],
  sizeBytes: 2_157_164,
  memoryBytes: 600 * 1024,
};

/** What images on Alpine's base say of themselves. */
export const alpineRelease = `NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.22.0
PRETTY_NAME="Alpine Linux v3.22"
HOME_URL="https://alpinelinux.org/"
`;

export const alpine: ImageDefinition = {
  names: ['alpine', 'public.ecr.aws/docker/library/alpine'],
  cmd: ['/bin/sh'],
  files: { '/etc/os-release': alpineRelease, '/etc/alpine-release': '3.22.0\n' },
  sizeBytes: 3_799_689,
  memoryBytes: 700 * 1024,
};
