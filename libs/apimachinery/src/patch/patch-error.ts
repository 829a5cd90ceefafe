/**
 * A patch that cannot be applied. `malformed` is a 400 (the patch itself is wrong), `inapplicable` a 422 (it does not
 * fit the object), `tooLarge` a 413.
 */
export class PatchError extends Error {
  readonly kind: 'malformed' | 'inapplicable' | 'tooLarge';

  constructor(kind: PatchError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}
