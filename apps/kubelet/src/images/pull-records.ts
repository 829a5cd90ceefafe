import { type VolumeHost, sha256Hex } from '@orrery/cri';
import { type FoundCredentials, type SecretSource, repositoryOf } from './credentials.ts';

/** `imagePullCredentialsVerificationPolicy` of KubeletConfiguration, and its list. */
export interface VerificationPolicy {
  readonly policy: string;
  /** Repositories; `registry/*` for all below. */
  readonly allowlist: readonly string[];
}

/** Who may use an image that was pulled by a name: everybody on the node, or those who show one of these. */
type Access = 'everybody' | readonly SecretSource[];

export const defaultPolicy = 'NeverVerifyPreloadedImages';

const recordName = /^sha256-[0-9a-f]{64}$/;

/** Secrets that are remembered of an image at most. */
const maxSources = 100;

const isListed = (repository: string, allowlist: readonly string[]): boolean => allowlist.some((entry) => (entry.endsWith('/*') ? repository.startsWith(entry.slice(0, -1)) : repositoryOf(entry) === repository));

/**
 * Which images this kubelet has pulled, and with whose credentials (upstream's KubeletEnsureSecretPulledImages): who has none may not use from the disk what
 * he could not pull. What was pulled with credentials is kept on the node for the next kubelet, as upstream keeps it; images that it finds there are preloaded ones.
 */
export class PullRecords {
  /** By image id, then by repository. */
  private readonly pulled = new Map<string, Map<string, Access>>();
  private readonly host: VolumeHost;
  private readonly dir: string;
  private readonly verification: VerificationPolicy;
  private writing: Promise<void> = Promise.resolve();

  constructor(options: { host: VolumeHost; rootDir: string; verification: VerificationPolicy }) {
    this.host = options.host;
    this.dir = `${options.rootDir}/image_manager/pulled`;
    this.verification = options.verification;
  }

  /** Reads what earlier kubelets have kept. */
  async load(): Promise<void> {
    if (this.verification.policy === 'NeverVerify') return;
    for (const name of await this.host.list(this.dir)) {
      // Of a write that was cut short something else is left.
      if (!recordName.test(name)) continue;
      const bytes = await this.host.readFile(`${this.dir}/${name}`);
      if (!bytes) continue;
      const { imageRef, credentialMapping } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { imageRef: string; credentialMapping: Record<string, { nodePodsAccessible?: boolean; kubernetesSecrets?: readonly SecretSource[] }> };
      this.pulled.set(imageRef, new Map(Object.entries(credentialMapping).map(([repository, { nodePodsAccessible, kubernetesSecrets = [] }]): [string, Access] => [repository, nodePodsAccessible ? 'everybody' : kubernetesSecrets])));
    }
  }

  /** Whether nothing is to be verified of an image that is there, as of most. */
  isOpen(id: string): boolean {
    const { policy } = this.verification;
    return policy === 'NeverVerify' || (policy === defaultPolicy && !this.pulled.has(id));
  }

  /** Whether a pod may use an image that is there without pulling it. `credentials` are asked for only where they matter. */
  async mayUse(image: string, id: string, credentials: () => Promise<readonly FoundCredentials[]>): Promise<boolean> {
    const { policy, allowlist } = this.verification;
    if (this.isOpen(id)) return true;
    const repository = repositoryOf(image);
    const record = this.pulled.get(id);
    if (!record && policy === 'NeverVerifyAllowlistedImages' && isListed(repository, allowlist)) return true;
    const access = record?.get(repository);
    if (access === undefined) return false;
    if (access === 'everybody') return true;
    const found = (await credentials()).find(({ source }) => access.some((known) => known.credentialHash === source.credentialHash || (known.uid === source.uid && known.namespace === source.namespace && known.name === source.name)));
    if (!found) return false;
    // It is known from now on by what it says now.
    await this.note(image, id, found.source);
    return true;
  }

  /** An image was pulled: with these credentials, or by who had none. */
  async note(image: string, id: string, source: SecretSource | undefined): Promise<void> {
    // What anybody may pull needs no record where images without one are open to all.
    if (source === undefined && this.isOpen(id)) return;
    const repository = repositoryOf(image);
    const record = this.pulled.get(id) ?? new Map<string, Access>();
    this.pulled.set(id, record);
    const old = record.get(repository);
    if (old === 'everybody') return;
    if (source === undefined) {
      record.set(repository, 'everybody');
      if (old) await this.keep(id, record);
      return;
    }
    const isKnown = ({ uid, namespace, name, credentialHash }: SecretSource): boolean => uid === source.uid && namespace === source.namespace && name === source.name && credentialHash === source.credentialHash;
    if (old?.some(isKnown) || (old && old.length >= maxSources)) return;
    const others = (old ?? []).filter(({ uid, namespace, name }) => uid !== source.uid || namespace !== source.namespace || name !== source.name);
    record.set(repository, [...others, source]);
    await this.keep(id, record);
  }

  /** The image is there no more; should it come back, somebody else has brought it. */
  async removed(id: string): Promise<void> {
    if (this.pulled.delete(id)) await this.inTurn(() => this.host.remove(this.file(id)));
  }

  private file(id: string): string {
    return `${this.dir}/sha256-${sha256Hex(id)}`;
  }

  private async keep(id: string, record: ReadonlyMap<string, Access>): Promise<void> {
    const credentialMapping = Object.fromEntries([...record].map(([repository, access]) => [repository, access === 'everybody' ? { nodePodsAccessible: true } : { kubernetesSecrets: access }]));
    const text = JSON.stringify({ kind: 'ImagePulledRecord', apiVersion: 'kubelet.config.k8s.io/v1beta1', imageRef: id, credentialMapping });
    await this.inTurn(() => this.host.writeCheckpoint(this.file(id), text));
  }

  /** Pods that pull the same image come at once, and a record takes one writer at a time. */
  private inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.writing.then(write);
    this.writing = written.catch(() => undefined); // whoever asked for it is told
    return written;
  }
}
