import { IssueError } from '../issues.ts';
import { type CelType, dynType } from '../types.ts';

const isDyn = ({ kind }: CelType): boolean => kind === 'dyn' || kind === 'error';

/** Types inside of a type, in order. */
export function parametersOf(type: CelType): readonly CelType[] {
  switch (type.kind) {
    case 'list':
      return [type.element];
    case 'map':
      return [type.key, type.value];
    case 'opaque':
      return type.parameters ?? [];
    default:
      return [];
  }
}

function rebuild(type: CelType, parameters: readonly CelType[]): CelType {
  const [first = dynType, second = dynType] = parameters;
  if (type.kind === 'list') return { ...type, element: first };
  if (type.kind === 'map') return { ...type, key: first, value: second };
  return type.kind === 'opaque' ? { ...type, parameters } : type;
}

const weights = new WeakMap<CelType, number>();

/** How many types there are in a type: types can double with every step of an expression. */
export function weightOf(type: CelType): number {
  const inner = parametersOf(type);
  if (!inner.length) return 1;
  let weight = weights.get(type);
  if (weight === undefined) weights.set(type, (weight = inner.reduce((sum, one) => sum + weightOf(one), 1)));
  return weight;
}

/** Replaces parameters by what `find` says, if anything. */
function mapParameters(type: CelType, find: (name: string) => CelType | undefined): CelType {
  if (type.kind === 'parameter') return find(type.name) ?? type;
  if (type.kind === 'type') return type.of ? { ...type, of: mapParameters(type.of, find) } : type;
  const inner = parametersOf(type);
  if (!inner.length) return type;
  const changed = inner.map((one) => mapParameters(one, find));
  return changed.every((one, i) => one === inner[i]) ? type : rebuild(type, changed);
}

function isSame(a: CelType, b: CelType): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  if ((a.kind === 'parameter' || a.kind === 'object' || a.kind === 'opaque') && a.name !== (b as typeof a).name) return false;
  const [left, right] = [parametersOf(a), parametersOf(b)];
  return left.length === right.length && left.every((one, i) => isSame(one, right[i] as CelType));
}

/** Whether the first tells as much as the second or less: dyn tells least. */
function isAsGeneral(a: CelType, b: CelType): boolean {
  if (isDyn(a) || a.kind === 'parameter') return true;
  if (isDyn(b) || b.kind === 'parameter' || a.kind !== b.kind) return false;
  const [left, right] = [parametersOf(a), parametersOf(b)];
  return left.length === right.length && left.every((one, i) => isAsGeneral(one, right[i] as CelType));
}

export const mostGeneral = (a: CelType, b: CelType): CelType => (isAsGeneral(a, b) ? a : b);

const nullable = new Set<CelType['kind']>(['object', 'opaque', 'timestamp', 'duration', 'null_type']);

/** Steps of one check at most: parameters can stand for types that double each other. */
const maxSteps = 2_000_000;

/** What type parameters of one expression stand for, as far as is known. Throws IssueError for types beyond measure. */
export class Substitution {
  private steps = 0;
  private readonly bindings = new Map<string, CelType>();
  /** What bindings were before, to go back to when a signature does not fit. */
  private readonly trail: (readonly [string, CelType | undefined])[] = [];
  private count = 0;

  /** A parameter that stands for nothing yet. */
  fresh(): CelType {
    this.count += 1;
    return { kind: 'parameter', name: `_var${this.count}` };
  }

  /** Signatures name their parameters alike: each use gets its own. */
  instantiate(types: readonly CelType[]): CelType[] {
    const own = new Map<string, CelType>();
    const find = (name: string): CelType => {
      let found = own.get(name);
      if (!found) own.set(name, (found = this.fresh()));
      return found;
    };
    return types.map((type) => mapParameters(type, find));
  }

  /** The type with all that is known put in; what is not stays, or is dyn. */
  resolve(type: CelType, freeIsDyn = false): CelType {
    return mapParameters(type, (name) => {
      this.step();
      const bound = this.bindings.get(name);
      if (!bound) return freeIsDyn ? dynType : undefined;
      return this.resolve(bound, freeIsDyn);
    });
  }

  /** May values of all `from` stand where `to` are wanted? Remembers what parameters stand for, if so. */
  assign(from: readonly CelType[], to: readonly CelType[]): boolean {
    const fit = from.length === to.length && from.every((one, i) => this.fits(one, to[i] as CelType));
    if (!fit) this.undo();
    this.trail.length = 0;
    return fit;
  }

  private undo(): void {
    for (const [name, before] of this.trail.toReversed()) {
      if (before) this.bindings.set(name, before);
      else this.bindings.delete(name);
    }
  }

  private set(name: string, type: CelType): void {
    this.trail.push([name, this.bindings.get(name)]);
    this.bindings.set(name, type);
  }

  private step(): void {
    this.steps += 1;
    if (this.steps > maxSteps) throw new IssueError(-1, 'types are too complex');
  }

  private fits(from: CelType, to: CelType): boolean {
    this.step();
    if (to.kind === 'parameter') return this.bind(to, from);
    if (from.kind === 'parameter') return this.bind(from, to);
    if (isDyn(from) || isDyn(to)) return true;
    if (from.kind === 'null_type') return nullable.has(to.kind);
    if (to.kind === 'null_type') return nullable.has(from.kind);
    if (from.kind !== to.kind) return false;
    if ((from.kind === 'object' || from.kind === 'opaque') && from.name !== (to as typeof from).name) return false;
    const [left, right] = [parametersOf(from), parametersOf(to)];
    return left.length === right.length && left.every((one, i) => this.fits(one, right[i] as CelType));
  }

  private bind(parameter: Extract<CelType, { kind: 'parameter' }>, type: CelType): boolean {
    if (type.kind === 'parameter' && type.name === parameter.name) return true;
    const known = this.bindings.get(parameter.name);
    if (!known) {
      if (this.mentions(type, parameter.name)) return false;
      this.set(parameter.name, type);
      return true;
    }
    if (isSame(known, type)) return true;
    if (!this.fits(type, known)) return false;
    const general = mostGeneral(type, known);
    if (!this.mentions(general, parameter.name)) this.set(parameter.name, general);
    return true;
  }

  private mentions(type: CelType, name: string): boolean {
    this.step();
    if (type.kind === 'parameter') {
      if (type.name === name) return true;
      const bound = this.bindings.get(type.name);
      return bound !== undefined && this.mentions(bound, name);
    }
    return parametersOf(type).some((one) => this.mentions(one, name));
  }
}

export { isDyn, isSame };
