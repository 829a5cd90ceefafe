/** The little of DER (X.690) that it takes to look into certificates and keys. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly raw: Buffer;
}

const sequence = 0x30;

/** The elements that fill the bytes exactly; undefined when they do not. */
export function derElements(bytes: Buffer): DerElement[] | undefined {
  const out: DerElement[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const [tag, first] = [bytes[offset], bytes[offset + 1]];
    if (tag === undefined || first === undefined) return undefined;
    const longForm = first & 0x80 ? first & 0x7f : 0;
    const start = offset + 2 + longForm;
    if ((first & 0x80 && longForm === 0) || longForm > 4 || start > bytes.length) return undefined;
    const length = longForm ? bytes.readUIntBE(offset + 2, longForm) : first;
    if (start + length > bytes.length) return undefined;
    out.push({ tag, content: bytes.subarray(start, start + length), raw: bytes.subarray(offset, start + length) });
    offset = start + length;
  }
  return out;
}

/** The members of a single sequence. */
export function derSequence(bytes: Buffer): DerElement[] | undefined {
  const [only, ...rest] = derElements(bytes) ?? [];
  return only?.tag === sequence && !rest.length ? derElements(only.content) : undefined;
}

const basicConstraints = Buffer.from('0603551d13', 'hex');

/** What a trust anchor must be. */
export interface CertificateFacts {
  readonly isCa: boolean;
  /** The extension that says so is there and readable. */
  readonly constraintsValid: boolean;
}

function constraintsOf(extensions: readonly DerElement[]): CertificateFacts {
  for (const { raw } of extensions) {
    const parts = derSequence(raw);
    if (!parts?.[0]?.raw.equals(basicConstraints)) continue;
    const value = derSequence(parts.at(-1)?.content ?? Buffer.alloc(0));
    if (!value) return { isCa: false, constraintsValid: false };
    return { isCa: value[0]?.tag === 0x01 && value[0].content[0] === 0xff, constraintsValid: true };
  }
  return { isCa: false, constraintsValid: false };
}

/** Looks into an X.509 certificate; undefined for what is none. Signatures are not checked. */
export function readCertificate(der: Buffer): CertificateFacts | undefined {
  const [body, algorithm, signature, ...more] = derSequence(der) ?? [];
  if (body?.tag !== sequence || algorithm?.tag !== sequence || signature?.tag !== 0x03 || more.length) return undefined;
  const fields = derElements(body.content);
  // Version, serial, algorithm, issuer, validity, subject, key; the first may be left out.
  if (!fields || fields.length < 6) return undefined;
  const wrapper = fields.find(({ tag }) => tag === 0xa3);
  return constraintsOf(wrapper ? (derSequence(wrapper.content) ?? []) : []);
}
