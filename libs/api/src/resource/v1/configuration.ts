import type { OpaqueDeviceConfiguration } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkDriverName, checkRawObject } from './names.ts';

const maxParameterBytes = 10 * 1024;

/** What a claim or class tells drivers. `isStored`: parameters beyond the limit were accepted before there was one. */
export function checkConfiguration({ opaque }: { readonly opaque?: OpaqueDeviceConfiguration }, { at, isStored = false }: { at: FieldPath; isStored?: boolean }): void {
  const path = at.child('opaque');
  if (!opaque) return path.required();
  checkDriverName(opaque.driver, path.child('driver'));
  checkRawObject(opaque.parameters, { at: path.child('parameters'), maxBytes: isStored ? undefined : maxParameterBytes });
}
