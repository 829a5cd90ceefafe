import { dig } from '../busybox/dig.ts';
import type { Program } from '../process/proc.ts';
import { serveHttp } from '../net/http-server.ts';
import { executableFile } from '../process/executable.ts';
import { forever } from './agnhost/forever.ts';
import { alpineRelease } from './busybox.ts';
import type { ImageDefinition } from './define-image.ts';
import { pauseProgram } from './pause.ts';

/** Every address under which the images of Kubernetes' own tests were ever published. */
const published = (name: string): string[] => ['registry.k8s.io/e2e-test-images', 'k8s.gcr.io/e2e-test-images', 'gcr.io/kubernetes-e2e-test-images'].map((registry) => `${registry}/${name}`);

/** What `kubectl` tests roll from one picture to the other, and others mount as a volume: a page and the name of its picture. */
function pictureImage(name: 'nautilus' | 'kitten', sizeBytes: number): ImageDefinition {
  const picture = `${JSON.stringify({ image: `${name}.jpg` })}\n`;
  const page = `<html><img src="${name}.jpg"/></html>\n`;
  const program: Program = (proc) => {
    serveHttp(proc, { ip: '', port: 80 }, ({ path }) => {
      if (path === '/data.json') return { status: 200, headers: [['Content-Type', 'application/json']], body: picture };
      if (path === '/') return { status: 200, headers: [['Content-Type', 'text/html; charset=utf-8']], body: page };
      return { status: 404, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: '404 page not found\n' };
    });
    return forever(proc);
  };
  return { names: published(name), entrypoint: ['/test-webserver'], programs: { '/test-webserver': program }, files: { '/data.json': picture, '/index.html': page, '/etc/os-release': alpineRelease }, sizeBytes, memoryBytes: 5 * 1024 ** 2 };
}

const effectiveUser: Program = async (proc) => {
  await proc.out(`Effective uid: ${proc.cred.uid}\n`);
  return 0;
};

/** A program that runs as its owner where the container lets it. */
const nonewprivs: ImageDefinition = {
  names: published('nonewprivs'),
  entrypoint: ['/nnp'],
  programs: { '/nnp': effectiveUser },
  files: { '/nnp': { ...executableFile('/nnp'), mode: 0o4755 } },
  sizeBytes: 3_300_000,
};

const nonRoot: ImageDefinition = { names: published('nonroot'), entrypoint: ['/bin/sh'], user: '1234:1234', sizeBytes: 21_000_000 };

const dnsutils: ImageDefinition = {
  names: [...published('jessie-dnsutils'), ...published('glibc-dns-testing'), ...published('dnsutils')],
  cmd: ['sleep', '3600'],
  programs: { '/usr/bin/dig': dig },
  files: { '/bin/bash': { link: '/bin/busybox' } },
  sizeBytes: 46_000_000,
};

/** Pi to so many digits after the point, by Machin's formula. */
export function piDigits(digits: number): string {
  const guard = 10n;
  const one = 10n ** (BigInt(digits) + guard);
  const arctanInverse = (x: bigint): bigint => {
    let [sum, term] = [0n, one / x];
    for (let n = 1n; term !== 0n; n += 2n) {
      sum += n % 4n === 1n ? term / n : -term / n;
      term /= x * x;
    }
    return sum;
  };
  const text = ((16n * arctanInverse(5n) - 4n * arctanInverse(239n)) / 10n ** guard).toString();
  return `${text.slice(0, 1)}.${text.slice(1)}`;
}

const maxDigits = 20_000;

/** There is no Perl: the one program that every introduction to Jobs runs, and sleeping. */
const perl: Program = async (proc) => {
  const script = proc.argv.slice(1).join(' ');
  const digits = /bpi\((\d+)\)/.exec(script)?.[1];
  if (digits !== undefined && Number(digits) <= maxDigits) {
    await proc.out(`${piDigits(Math.max(1, Number(digits) - 1))}\n`);
    return 0;
  }
  const seconds = /\bsleep\s*\(?\s*(\d+)/.exec(script)?.[1];
  if (seconds !== undefined) {
    await proc.sleep(Number(seconds) * 1000);
    return 0;
  }
  await proc.err(`perl: this image emulates nothing but bpi and sleep: ${script}\n`);
  return 2;
};

const perlImage: ImageDefinition = {
  names: ['perl', ...published('perl')],
  cmd: ['perl', '-de0'],
  programs: { '/usr/local/bin/perl': perl, '/usr/bin/perl': perl },
  sizeBytes: 336_000_000,
};

/** Servers that are there to be waited for, and tools whose shell alone is used. */
function quiet(names: readonly string[], command: string, sizeBytes: number): ImageDefinition {
  return { names, cmd: [command], programs: { [command]: pauseProgram }, sizeBytes };
}

/** Alpine behind a registry that lets nobody in without a name and a password. */
const authenticated: ImageDefinition = { names: ['gcr.io/authenticated-image-pulling/alpine'], cmd: ['/bin/sh'], sizeBytes: 2_100_000, needsLogin: true };

export const e2eImages: readonly ImageDefinition[] = [
  pictureImage('nautilus', 49_642_095),
  pictureImage('kitten', 49_648_895),
  nonewprivs,
  nonRoot,
  dnsutils,
  perlImage,
  authenticated,
  quiet(published('ipc-utils'), '/bin/ipc-utils', 12_000_000),
  quiet(published('regression-issue-74839'), '/regression-issue-74839', 19_000_000),
  quiet(published('apparmor-loader'), '/usr/bin/loader', 31_000_000),
  quiet([...published('volume/nfs'), 'registry.k8s.io/volume-nfs'], '/usr/local/bin/run_nfs.sh', 95_836_203),
  quiet(published('volume/iscsi'), '/usr/local/bin/run_iscsi_target.sh', 104_000_000),
  quiet(published('volume/rbd'), '/usr/local/bin/bootstrap.sh', 1_300_000_000),
  quiet(['registry.k8s.io/sig-storage/nfs-provisioner'], '/nfs-server-provisioner', 138_000_000),
  quiet(['registry.k8s.io/build-image/distroless-iptables'], '/bin/iptables', 17_000_000),
  quiet(['registry.k8s.io/prometheus-dummy-exporter', 'registry.k8s.io/prometheus-to-sd', 'registry.k8s.io/sd-dummy-exporter'], '/exporter', 9_000_000),
];
