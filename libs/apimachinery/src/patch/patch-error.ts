/**
 * A patch that cannot be applied. `malformed` is a 400 (the patch itself is wrong), `inapplicable` a 422 (it does not
 * fit the object), `tooLarge` a 413; `failed` is what upstream has no code for and answers with 500.
 */
export class PatchError extends Error {
  readonly kind: 'malformed' | 'inapplicable' | 'tooLarge' | 'failed';

  constructor(kind: PatchError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}
