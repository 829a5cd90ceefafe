import { ResourceClaims } from '@orrery/api';
import type { Container, Pod, ResourceClaim, ResourceHealth, ResourceStatus } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import type { VolumeHost } from '@orrery/cri';
import type { Device } from '@orrery/proto/dra';
import type { DeviceHealth as DeviceReport } from '@orrery/proto/drahealth';
import { RpcError, goStatus } from '@orrery/rpc';
import type { Env, Timer } from '@orrery/runtime';
import { namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { DeviceHealth } from './device-health.ts';
import type { DraClient, DraDrivers } from './dra-drivers.ts';
import { type PodClaim, claimNamed, driversOf, podClaims } from './pod-claims.ts';

/** As upstream's: how long a plug-in may take, and how often claims of pods that are gone are looked for. */
const timeoutMs = 45_000;
const reconcileMs = 60_000;

/** A device as its driver described it. */
interface KnownDevice extends Device {
  /** Absent in checkpoints of earlier versions, where claims of several drivers cannot tell. */
  readonly driver?: string;
}

/** A claim that drivers have been told of. Kept on disk until all of them have undone it. */
interface KnownClaim {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly drivers: readonly string[];
  podUids: string[];
  prepared: boolean;
  devices: KnownDevice[];
}

export interface ClaimManagerOptions {
  readonly api: ApiClient;
  readonly files: VolumeHost;
  readonly rootDir: string;
  /** Undefined where the node has no plug-ins at all. */
  readonly drivers: DraDrivers | undefined;
  /** Pods whose claims are still theirs. */
  readonly isActive: (podUid: string) => boolean;
  /** The status of a pod's containers may say something else of its devices now. */
  readonly changed: (podUid: string) => void;
}

const keyOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;

/** Devices that pods have been allocated by ResourceClaims: has their drivers prepare these on the node, and undo that once no pod has them. */
export class ClaimManager {
  private readonly env: Env;
  private readonly options: ClaimManagerOptions;
  private readonly health: DeviceHealth;
  private claims = new Map<string, KnownClaim>();
  private timer: Timer | undefined;
  private saving: Promise<void> = Promise.resolve();

  constructor(env: Env, options: ClaimManagerOptions) {
    this.env = env;
    this.options = options;
    this.health = new DeviceHealth(env, { files: options.files, path: `${options.rootDir}/dra_health_state` });
  }

  /** Recalls what an earlier kubelet had prepared. A checkpoint that cannot be read is an error, as upstream's: nobody would undo what it tells of. */
  async start(): Promise<void> {
    if (!this.options.drivers) return;
    const bytes = await this.options.files.readFile(this.checkpoint);
    if (bytes) this.claims = new Map((JSON.parse(Buffer.from(bytes).toString('utf8')) as { claims: KnownClaim[] }).claims.map((claim) => [keyOf(claim), claim]));
    await this.health.load();
  }

  /** Begins to look for claims of pods that went away unseen; once all pods of the node are known. */
  watch(): void {
    if (this.options.drivers) this.timer = this.env.clock.every(reconcileMs, () => void this.reconcile());
  }

  async stop(): Promise<void> {
    this.timer?.cancel();
    await this.saving;
    await this.health.stop();
  }

  /** Has the devices of a pod's claims prepared, those that are not yet. Throws with what upstream's kubelet says. */
  async prepare(pod: Pod): Promise<void> {
    const wanted = await Promise.all(podClaims(pod).map((one) => this.look(pod, one)));
    const fresh: KnownClaim[] = [];
    for (const { claim, drivers } of wanted) {
      const { namespace = '', name = '', uid = '' } = claim.metadata ?? {};
      const known = this.claims.get(keyOf({ namespace, name })) ?? { namespace, name, uid, drivers, podUids: [], prepared: false, devices: [] };
      if (known.uid !== uid) throw new Error(`old ResourceClaim with same name ${name} and different UID ${known.uid} still exists (previous pod force-deleted?!)`);
      if (!known.podUids.includes(uidOf(pod))) known.podUids = [...known.podUids, uidOf(pod)];
      this.claims.set(keyOf(known), known);
      if (!known.prepared) fresh.push(known);
    }
    // Before any driver is told: whatever happens next, it is known what has to be undone.
    await this.save();
    const devices = new Map<string, KnownDevice[]>(fresh.map(({ uid }) => [uid, []]));
    for (const [driver, claims] of byDriver(fresh)) {
      const answers = await called('NodePrepareResources', claims, (asked) => this.driver(driver).nodePrepareResources({ claims: asked }, { timeoutMs }));
      for (const [uid, answer] of answers) devices.get(uid)?.push(...(answer.devices ?? []).map((device) => ({ ...device, driver })));
    }
    for (const claim of fresh) Object.assign(claim, { prepared: true, devices: devices.get(claim.uid) ?? [] });
    if (fresh.length) await this.save();
  }

  /** CDI devices that a container gets by its pod's claims. */
  devicesOf(pod: Pod, container: Container): string[] {
    return podClaims(pod).flatMap(({ claim, requests }) => {
      const devices = this.claims.get(keyOf({ namespace: namespaceOf(pod), name: claim }))?.devices ?? [];
      return requests(container).flatMap((request) => devices.filter(({ requestNames = [] }) => !request || requestNames.length === 0 || requestNames.includes(request)).flatMap(({ cdiDeviceIds = [] }) => cdiDeviceIds));
    });
  }

  /** A driver says how its devices are, or nothing more: then nobody knows, which pods show with the next look. */
  heard(driver: string, reports: readonly DeviceReport[] | undefined): void {
    if (!reports) this.health.clear(driver);
    else if (this.health.update(driver, reports)) this.tellPods((claim) => claim.drivers.includes(driver));
  }

  /** How the devices are that a container has by its claims, as its status tells it. Of a claim that is over the last that was told stays, to say why the pod ended. */
  statusOf(pod: Pod, container: Container): ResourceStatus[] {
    const told = pod.status?.containerStatuses?.find(({ name }) => name === container.name)?.allocatedResourcesStatus;
    return (container.resources?.claims ?? []).flatMap(({ name, request }) => {
      const title = `claim:${name}${request ? `/${request}` : ''}`;
      const claim = this.claims.get(keyOf({ namespace: namespaceOf(pod), name: claimNamed(pod, name) ?? '' }));
      const resources = claim ? this.healthOf(claim, request) : told?.find((one) => one.name === title)?.resources;
      return resources?.length ? [{ name: title, resources }] : [];
    });
  }

  private healthOf(claim: KnownClaim, request: string | undefined): ResourceHealth[] {
    const byId = new Map<string, ResourceHealth>();
    for (const { driver: said, poolName: pool = '', deviceName: device = '', requestNames = [], cdiDeviceIds = [] } of claim.devices) {
      if (request && requestNames.length > 0 && !requestNames.includes(request)) continue;
      const driver = said ?? claim.drivers[0] ?? '';
      const resourceID = cdiDeviceIds[0] ?? `${driver}/${pool}/${device}`;
      if (!byId.has(resourceID)) byId.set(resourceID, { resourceID, ...this.health.of({ driver, pool, device }) });
    }
    return [...byId.values()];
  }

  private tellPods(of: (claim: KnownClaim) => boolean): void {
    for (const uid of new Set([...this.claims.values()].filter(of).flatMap(({ podUids }) => podUids))) this.options.changed(uid);
  }

  /** Has undone what was prepared for a pod, unless another pod shares it. Throws when a driver cannot, or is not there; to be called again. */
  async unprepare(podUid: string): Promise<void> {
    const held = [...this.claims.values()].filter(({ podUids }) => podUids.includes(podUid));
    if (held.length === 0) return;
    const last = held.filter(({ podUids }) => podUids.length === 1);
    for (const [driver, claims] of byDriver(last)) await called('NodeUnprepareResources', claims, (asked) => this.driver(driver).nodeUnprepareResources({ claims: asked }, { timeoutMs }));
    for (const claim of held) {
      claim.podUids = claim.podUids.filter((uid) => uid !== podUid);
      // Another pod may have come for it meanwhile.
      if (last.includes(claim)) claim.prepared = false;
      if (claim.podUids.length === 0) this.claims.delete(keyOf(claim));
    }
    await this.save();
  }

  /** A claim as it is now, with the drivers it needs, which must be there even if all is prepared. */
  private async look(pod: Pod, { claim: name, isOwn }: PodClaim): Promise<{ claim: ResourceClaim; drivers: string[] }> {
    const claim = await this.options.api.get(ResourceClaims, { namespace: namespaceOf(pod), name }).catch((error: unknown) => {
      throw new Error(`fetch ResourceClaim ${name}: ${(error as Error).message}`, { cause: error });
    });
    const drivers = driversOf(pod, claim, isOwn);
    for (const driver of drivers) this.driver(driver);
    return { claim, drivers };
  }

  private driver(name: string): DraClient {
    const client = this.options.drivers?.get(name);
    if (!client) throw new Error(`DRA driver ${name} is not registered`);
    return client;
  }

  private async reconcile(): Promise<void> {
    const gone = new Set([...this.claims.values()].flatMap(({ podUids }) => podUids).filter((uid) => !this.options.isActive(uid)));
    for (const uid of gone) await this.unprepare(uid).catch((error: unknown) => this.env.log.warn('devices of a pod that is gone are not undone', { uid, error: (error as Error).message }));
    // What drivers said may have run out meanwhile.
    this.tellPods(() => true);
  }

  private get checkpoint(): string {
    return `${this.options.rootDir}/dra_manager_state`;
  }

  private save(): Promise<void> {
    const text = JSON.stringify({ claims: [...this.claims.values()] });
    const saved = this.saving.then(() => this.options.files.writeCheckpoint(this.checkpoint, text));
    this.saving = saved.catch(() => undefined); // whoever asked for it is told
    return saved;
  }
}

function byDriver(claims: readonly KnownClaim[]): Map<string, KnownClaim[]> {
  const drivers = new Map<string, KnownClaim[]>();
  for (const claim of claims) for (const driver of claim.drivers) drivers.set(driver, [...(drivers.get(driver) ?? []), claim]);
  return drivers;
}

/** Calls a driver about claims; the answer must have each of them, without an error. */
async function called<T extends { error?: string }>(method: string, claims: readonly KnownClaim[], call: (asked: { namespace: string; uid: string; name: string }[]) => Promise<{ claims?: Record<string, T> }>): Promise<[string, T][]> {
  const response = await call(claims.map(({ namespace, uid, name }) => ({ namespace, uid, name }))).catch((error: unknown) => {
    throw new Error(`${method}: ${error instanceof RpcError ? goStatus(error) : (error as Error).message}`, { cause: error });
  });
  const answers = Object.entries(response.claims ?? {});
  for (const [uid, { error }] of answers) {
    const claim = claims.find((one) => one.uid === uid);
    if (!claim) throw new Error(`${method} returned result for unknown claim UID ${uid}`);
    if (error) throw new Error(`${method} failed for ResourceClaim ${claim.name}: ${error}`);
  }
  if (answers.length < claims.length) throw new Error(`${method} skipped ${claims.length - answers.length} ResourceClaims`);
  return answers;
}
