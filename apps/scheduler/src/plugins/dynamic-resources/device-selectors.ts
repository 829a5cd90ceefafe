import { deviceEnvironment } from '@orrery/api';
import type { Device, DeviceAttribute } from '@orrery/api/types';
import { type CelMap, type CelValue, type Program, compile, dynType, environment, fromJson, stringType } from '@orrery/cel';

/** A selector failed on a device: the pod cannot be scheduled until it is mended. */
export class SelectorFailure extends Error {}

const textEnvironment = environment({ variables: { text: stringType } });

function reader(expression: string): (text: string) => CelValue {
  const { program, failure } = compile(expression, textEnvironment);
  if (failure) throw new Error(failure.text);
  return (text) => {
    const { value, error } = program.evaluate({ text });
    if (error) throw new SelectorFailure(error.message);
    return value as CelValue;
  };
}

const quantityOf = reader('quantity(text)');
const semverOf = reader('semver(text)');

function attributeValue(attribute: DeviceAttribute): unknown {
  const { version, versions, ...rest } = attribute;
  if (version !== undefined) return semverOf(version);
  if (versions !== undefined) return versions.map(semverOf);
  return Object.values(rest).find((value) => value !== undefined) ?? null;
}

/** Values by domain and name; names without a domain are of the driver's. A domain that is not there is empty. */
class ByDomain implements CelMap {
  readonly isMap = true;
  readonly typeName = 'map';
  private readonly domains = new Map<string, Record<string, unknown>>();

  constructor(entries: Readonly<Record<string, unknown>>, driver: string) {
    for (const [name, value] of Object.entries(entries)) {
      const slash = name.indexOf('/');
      const [domain, id] = slash < 0 ? [driver, name] : [name.slice(0, slash), name.slice(slash + 1)];
      const found = this.domains.get(domain);
      if (found) found[id] = value;
      else this.domains.set(domain, { [id]: value });
    }
  }

  get size(): number {
    return this.domains.size;
  }

  find(key: CelValue): CelValue | undefined {
    return fromJson((typeof key === 'string' ? this.domains.get(key) : undefined) ?? {}, dynType);
  }

  keys(): readonly CelValue[] {
    return [...this.domains.keys()];
  }
}

function bindingOf(device: Device, driver: string): unknown {
  const mapped = <T>(entries: Readonly<Record<string, T>> | undefined, value: (entry: T) => unknown): Record<string, unknown> => Object.fromEntries(Object.entries(entries ?? {}).map(([name, entry]) => [name, value(entry)]));
  return {
    driver,
    attributes: new ByDomain(mapped(device.attributes, attributeValue), driver),
    capacity: new ByDomain(mapped(device.capacity, ({ value }) => quantityOf(value)), driver),
    allowMultipleAllocations: device.allowMultipleAllocations ?? false,
  };
}

/** Whether a device meets an expression. Throws SelectorFailure. Results are kept as long as the device is the same object. */
export function createDeviceSelectors(): (expression: string, device: Device, driver: string) => boolean {
  const programs = new Map<string, Program>();
  const results = new WeakMap<Device, Map<string, boolean>>();
  const bindings = new WeakMap<Device, unknown>();
  const programOf = (expression: string): Program => {
    let program = programs.get(expression);
    if (!program) {
      const compiled = compile(expression, deviceEnvironment());
      if (compiled.failure) throw new SelectorFailure(`CEL compile error: ${compiled.failure.text}`);
      program = compiled.program;
      programs.set(expression, program);
    }
    return program;
  };
  return (expression, device, driver) => {
    let known = results.get(device);
    if (!known) results.set(device, (known = new Map()));
    const before = known.get(expression);
    if (before !== undefined) return before;
    let binding = bindings.get(device);
    if (!binding) bindings.set(device, (binding = bindingOf(device, driver)));
    const { value, error } = programOf(expression).evaluate({ device: binding });
    if (error) throw new SelectorFailure(`CEL runtime error: ${error.message}`);
    if (typeof value !== 'boolean') throw new SelectorFailure('CEL result of type other than bool');
    known.set(expression, value);
    return value;
  };
}
