import type { AllocationResult, CounterSet, DeviceAllocationConfiguration, DeviceClass, DeviceConstraint, DeviceRequest, DeviceRequestAllocationResult, DeviceSelector, DeviceSubRequest, DeviceTaint, DeviceToleration, ExactDeviceRequest, NodeSelector, ResourceClaim } from '@orrery/api/types';
import { addQuantity, compareQuantity, parseQuantity } from '@orrery/apimachinery';
import { type Consumed, type Consumption, consumptionOf, hasRoom, printed } from './consumption.ts';
import type { NodeDevices, PoolDevice } from './devices.ts';

export interface AllocationInput {
  readonly claims: readonly ResourceClaim[];
  readonly nodeName: string;
  readonly on: NodeDevices;
  /** Ids of devices that other claims hold alone. */
  readonly held: ReadonlySet<string>;
  /** Of devices that may be shared. */
  readonly consumed: Consumption;
  /** Tells the shares of a device apart: a new UUID. */
  readonly shareId: () => string;
  readonly deviceClass: (name: string) => DeviceClass | undefined;
  readonly selects: (expression: string, device: PoolDevice) => boolean;
}

/** One request as it is to be met: of alternatives, one. */
interface Wanted {
  readonly claim: ResourceClaim;
  readonly index: number;
  /** `request`, or `request/alternative`. */
  readonly name: string;
  readonly exact: ExactDeviceRequest | DeviceSubRequest;
}

interface Taken {
  readonly wanted: Wanted;
  readonly device: PoolDevice;
  /** Of a device that may be shared. */
  readonly consumes?: Consumed;
}

/** How many steps the search may take before it gives up on a node. */
const maxSteps = 50_000;

/** Several requests may have a part of it. */
const isShared = ({ device }: PoolDevice): boolean => device.allowMultipleAllocations === true;

const isAdmin = ({ exact }: Wanted): boolean => 'adminAccess' in exact && exact.adminAccess === true;

/** Upstream's rule for taints of devices: as for nodes, without PreferNoSchedule. */
function toleratesTaint(tolerations: readonly DeviceToleration[] | undefined, taint: DeviceTaint): boolean {
  return (tolerations ?? []).some(({ key, effect, operator = 'Equal', value = '' }) => (!effect || effect === taint.effect) && (!key || key === taint.key) && (operator === 'Exists' || value === (taint.value ?? '')));
}

function attributeOf({ driver, device }: PoolDevice, name: string): string | undefined {
  const own = name.startsWith(`${driver}/`) ? name.slice(driver.length + 1) : undefined;
  const attribute = device.attributes?.[name] ?? (own === undefined ? undefined : device.attributes?.[own]);
  return attribute && JSON.stringify(attribute);
}

function concerns({ requests }: DeviceConstraint, name: string): boolean {
  return !requests?.length || requests.includes(name) || requests.includes(name.split('/')[0] ?? '');
}

/** Whether a device may join those that its claim has, by the constraints of the claim. */
function meetsConstraints(one: Taken, taken: readonly Taken[]): boolean {
  const { claim, name } = one.wanted;
  return (claim.spec?.devices?.constraints ?? []).every((constraint) => {
    if (!concerns(constraint, name)) return true;
    const others = taken.filter(({ wanted }) => wanted.claim === claim && concerns(constraint, wanted.name));
    const { matchAttribute, distinctAttribute } = constraint;
    const attribute = matchAttribute ?? distinctAttribute;
    if (attribute === undefined) return true;
    const value = attributeOf(one.device, attribute);
    if (value === undefined) return false;
    return others.every(({ device }) => (attributeOf(device, attribute) === value) === (matchAttribute !== undefined));
  });
}

/** Whether the counters that devices of a pool share suffice for all that are used. */
function withinCounters(used: Iterable<PoolDevice>, counters: ReadonlyMap<string, CounterSet>): boolean {
  const sums = new Map<string, ReturnType<typeof parseQuantity>>();
  for (const { driver, pool, device } of used) {
    for (const { counterSet, counters: consumed } of device.consumesCounters ?? []) {
      const set = counters.get(`${driver}/${pool}/${counterSet}`);
      for (const [name, { value }] of Object.entries(consumed)) {
        const key = `${driver}/${pool}/${counterSet}/${name}`;
        const sum = addQuantity(sums.get(key) ?? parseQuantity('0'), parseQuantity(value));
        const most = set?.counters[name]?.value;
        if (most === undefined || compareQuantity(sum, parseQuantity(most)) > 0) return false;
        sums.set(key, sum);
      }
    }
  }
  return true;
}

class Search {
  private readonly input: AllocationInput;
  private readonly taken: Taken[] = [];
  private readonly busy: readonly PoolDevice[];
  private steps = 0;

  constructor(input: AllocationInput) {
    this.input = input;
    this.busy = input.on.devices.filter(({ id }) => input.held.has(id) || input.consumed.has(id));
  }

  run(): readonly Taken[] | undefined {
    const requests = this.input.claims.flatMap((claim) => (claim.spec?.devices?.requests ?? []).map((request, index) => ({ claim, request, index })));
    return this.meet(requests, 0) ? this.taken : undefined;
  }

  private meet(requests: readonly { claim: ResourceClaim; request: DeviceRequest; index: number }[], at: number): boolean {
    const next = requests[at];
    if (!next) return true;
    const { claim, request, index } = next;
    const alternatives: Wanted[] = request.exactly
      ? [{ claim, index, name: request.name, exact: request.exactly }]
      : (request.firstAvailable ?? []).map((exact) => ({ claim, index, name: `${request.name}/${exact.name}`, exact }));
    return alternatives.some((wanted) => this.take(wanted, () => this.meet(requests, at + 1)));
  }

  private take(wanted: Wanted, rest: () => boolean): boolean {
    // Those that are ready as they are come first.
    const all = this.input.on.devices.filter((device) => this.suits(device, wanted));
    const waits = all.filter(({ device }) => device.bindingConditions?.length);
    const suitable = waits.length ? [...all.filter((one) => !waits.includes(one)), ...waits] : all;
    if (wanted.exact.allocationMode !== 'All') return this.choose({ wanted, suitable, count: wanted.exact.count ?? 1, from: 0 }, rest);
    // All of them, and there must be one.
    if (suitable.length === 0 || suitable.some((device) => !this.isFree(device, wanted))) return false;
    return this.choose({ wanted, suitable, count: suitable.length, from: 0 }, rest);
  }

  /** Devices of one request are taken in their order, so that no set is tried twice. */
  private choose(choice: { wanted: Wanted; suitable: readonly PoolDevice[]; count: number; from: number }, rest: () => boolean): boolean {
    const { wanted, suitable, count, from } = choice;
    if (count === 0) return rest();
    const isAll = wanted.exact.allocationMode === 'All';
    const end = suitable.some(isShared) ? suitable.length : suitable.length - count + 1;
    for (let i = from; i < end; i++) {
      if (++this.steps > maxSteps) return false;
      const device = suitable[i] as PoolDevice;
      const one: Taken = { wanted, device, ...this.shareOf(device, wanted) };
      if (!this.isFree(device, wanted) || !meetsConstraints(one, this.taken)) continue;
      this.taken.push(one);
      const fits = isAdmin(wanted) || !device.device.consumesCounters || withinCounters(new Set([...this.busy, ...this.taken.filter((other) => !isAdmin(other.wanted)).map((other) => other.device)]), this.input.on.counters);
      if (fits && this.choose({ ...choice, count: count - 1, from: isShared(device) && !isAdmin(wanted) && !isAll ? i : i + 1 }, rest)) return true;
      this.taken.pop();
    }
    return false;
  }

  /** A part of a device that may be shared. */
  private shareOf(device: PoolDevice, wanted: Wanted): Pick<Taken, 'consumes'> {
    const consumes = isShared(device) && !isAdmin(wanted) ? consumptionOf(device.device, wanted.exact.capacity?.requests) : undefined;
    return consumes ? { consumes } : {};
  }

  private isFree(device: PoolDevice, wanted: Wanted): boolean {
    const { id } = device;
    if (isAdmin(wanted)) return !this.taken.some((other) => other.device.id === id && other.wanted === wanted);
    const { consumes } = this.shareOf(device, wanted);
    if (consumes) return hasRoom(device.device, [consumes, this.input.consumed.get(id) ?? new Map(), ...this.taken.flatMap((other) => (other.device.id === id && other.consumes ? [other.consumes] : []))]);
    return !this.input.held.has(id) && !this.taken.some((other) => other.device.id === id && !isAdmin(other.wanted));
  }

  private suits(device: PoolDevice, { exact }: Wanted): boolean {
    const hard = (device.device.taints ?? []).filter(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
    if (!hard.every((taint) => toleratesTaint(exact.tolerations, taint))) return false;
    const enough = isShared(device) ? consumptionOf(device.device, exact.capacity?.requests) !== undefined : Object.entries(exact.capacity?.requests ?? {}).every(([name, wanted]) => {
      const has = device.device.capacity?.[name]?.value;
      return has !== undefined && compareQuantity(parseQuantity(has), parseQuantity(wanted)) >= 0;
    });
    if (!enough) return false;
    const meets = ({ cel }: DeviceSelector): boolean => cel === undefined || this.input.selects(cel.expression, device);
    return (this.input.deviceClass(exact.deviceClassName)?.spec?.selectors ?? []).every(meets) && (exact.selectors ?? []).every(meets);
  }
}

function configOf(claim: ResourceClaim, taken: readonly Taken[], input: AllocationInput): DeviceAllocationConfiguration[] {
  const fromClasses = taken.flatMap(({ wanted }, i) =>
    taken.findIndex((other) => other.wanted.name === wanted.name) < i ? [] : (input.deviceClass(wanted.exact.deviceClassName)?.spec?.config ?? []).map((config) => ({ ...config, source: 'FromClass', requests: [wanted.name] })),
  );
  return [...fromClasses, ...(claim.spec?.devices?.config ?? []).map((config) => ({ ...config, source: 'FromClaim' }))];
}

/** The node alone when a device is of the node; else wherever they can be reached. */
function placeOf(taken: readonly Taken[], nodeName: string): NodeSelector | undefined {
  if (!taken.some(({ device }) => device.isLocal)) return undefined;
  return { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }] };
}

/** Devices for all claims on one node, in their order; undefined when they cannot all be met. Throws SelectorFailure. */
export function allocate(input: AllocationInput): AllocationResult[] | undefined {
  const found = new Search(input).run();
  if (!found) return undefined;
  return input.claims.map((claim) => {
    const taken = found.filter(({ wanted }) => wanted.claim === claim);
    const results = taken.map(({ wanted, device, consumes }): DeviceRequestAllocationResult => ({
      request: wanted.name,
      driver: device.driver,
      pool: device.pool,
      device: device.device.name,
      ...(isAdmin(wanted) ? { adminAccess: true } : {}),
      ...(consumes ? { shareID: input.shareId(), ...(consumes.size ? { consumedCapacity: printed(consumes) } : {}) } : {}),
      ...(device.device.bindingConditions?.length ? { bindingConditions: device.device.bindingConditions, bindingFailureConditions: device.device.bindingFailureConditions ?? [] } : {}),
      ...(wanted.exact.tolerations?.length ? { tolerations: wanted.exact.tolerations } : {}),
    }));
    const config = configOf(claim, taken, input);
    const nodeSelector = placeOf(taken, input.nodeName);
    return { devices: { results, ...(config.length ? { config } : {}) }, ...(nodeSelector ? { nodeSelector } : {}) };
  });
}
