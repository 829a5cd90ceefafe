import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { MessageType } from '../service.ts';

/** A writer keeps what it has grown to, so a new one is made only after something unusually large. */
const reusableBytes = 1 << 20;
let spare: BinaryWriter | undefined;

/** The bytes of a message, its own. */
export function encodeMessage<T>(type: MessageType<T>, message: T): Uint8Array {
  const writer = spare ?? new BinaryWriter();
  // Not to be found half written by the next message, should this one throw.
  spare = undefined;
  const bytes = type.encode(message, writer).finish();
  if (bytes.length <= reusableBytes) spare = writer;
  return bytes;
}
