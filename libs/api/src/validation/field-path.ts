import { fieldError, type FieldError } from '@orrery/errors';
import type { StringRule } from './names.ts';

const withDetail = (error: FieldError, detail: string | undefined): FieldError => (detail ? { ...error, message: `${error.message}: ${detail}` } : error);

/** A place in an object and where its problems are reported, in the order they are found. Its path is spelled only when asked for. */
export class FieldPath {
  readonly errors: FieldError[];
  readonly #parent: FieldPath | undefined;
  /** A name, or an index of a list or map: `[KEY]`, or the number alone. */
  readonly #segment: string | number;

  constructor(errors: FieldError[], parent?: FieldPath, segment: string | number = '') {
    this.errors = errors;
    this.#parent = parent;
    this.#segment = segment;
  }

  child(name: string): FieldPath {
    return new FieldPath(this.errors, this, name);
  }

  /** `[0]` of a list, `[cpu]` of a map. */
  at(index: number | string): FieldPath {
    return new FieldPath(this.errors, this, typeof index === 'number' ? index : `[${index}]`);
  }

  /** The object as a whole, whose path upstream writes `[]`. */
  none(): FieldPath {
    return new FieldPath(this.errors, undefined, '[]');
  }

  get path(): string {
    const segment = this.#segment;
    if (!this.#parent) return String(segment);
    const before = this.#parent.path;
    if (typeof segment === 'number') return `${before}[${segment}]`;
    return before === '' || segment.startsWith('[') ? before + segment : `${before}.${segment}`;
  }

  required(detail?: string): void {
    this.errors.push(fieldError.required(this.path, detail));
  }

  /** An absent value counts as the empty string, which is what Go sees; pass null for a pointer that is nil. */
  invalid(value: unknown, detail: string): void {
    this.errors.push(fieldError.invalid(this.path, value === undefined ? '' : value, detail));
  }

  /** Where the value is too big to show or is not the point (upstream's OmitValueType). */
  invalidWithoutValue(detail: string): void {
    this.errors.push({ reason: 'FieldValueInvalid', field: this.path, message: `Invalid value: ${detail}` });
  }

  notSupported(value: unknown, allowed: readonly string[]): void {
    this.errors.push(fieldError.notSupported(this.path, value, allowed));
  }

  forbidden(detail: string): void {
    this.errors.push(fieldError.forbidden(this.path, detail));
  }

  duplicate(value: unknown, detail?: string): void {
    this.errors.push(withDetail(fieldError.duplicate(this.path, value), detail));
  }

  notFound(value: unknown, detail?: string): void {
    this.errors.push(withDetail(fieldError.notFound(this.path, value), detail));
  }

  tooLong(value: unknown, max: number): void {
    this.errors.push(fieldError.tooLong(this.path, value, max));
  }

  tooMany(actual: number, max: number): void {
    this.errors.push(fieldError.tooMany(this.path, actual, max));
  }

  /** One error a message of `rule`. */
  matches(value: string | undefined, rule: StringRule): void {
    for (const message of rule(value ?? '')) this.invalid(value ?? '', message);
  }

  /** Required, then `rule`. */
  requires(value: string | undefined, rule: StringRule): void {
    if (!value) this.required();
    else this.matches(value, rule);
  }

  /** One of `allowed`, shown in the order given; absent and empty are left to the caller. */
  oneOf(value: string | undefined, allowed: readonly string[]): void {
    if (value && !allowed.includes(value)) this.notSupported(value, allowed);
  }

  requiredOneOf(value: string | undefined, allowed: readonly string[]): void {
    if (!value) this.required();
    else this.oneOf(value, allowed);
  }
}

const none: readonly (readonly [number, never])[] = [];

/** Items with their index. Most lists of most objects are absent: nothing is made for them. */
export function indexed<T>(list: readonly T[] | undefined): Iterable<readonly [number, T]> {
  return list === undefined || list === null || list.length === 0 ? none : list.entries();
}

/** The problems that `check` finds, starting at the top of an object (or at `path`). */
export function findProblems(check: (root: FieldPath) => void, path = ''): FieldError[] {
  const errors: FieldError[] = [];
  check(new FieldPath(errors, undefined, path));
  return errors;
}
