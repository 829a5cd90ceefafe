import { type Environment, boolType, compile, dynType, environment, formatType, mapType, objectType, opaqueType, stringType } from '@orrery/cel';
import type { DeviceSelector } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkItems } from '../../validation/lists.ts';

const maxSelectors = 32;
const maxExpressionBytes = 10 * 1024;
const maxCost = 1_000_000;
const maxEntries = 32;
const domain = { ...stringType, maxElements: 63 };
const id = { ...stringType, maxElements: 32 };

/** Attributes and capacities by domain, then by name. */
const byDomain = (value: Parameters<typeof mapType>[1]): ReturnType<typeof mapType> => mapType(domain, mapType(id, value, { maxElements: maxEntries }), { maxElements: maxEntries });

const deviceType = objectType('kubernetes.DRADevice', {
  driver: domain,
  attributes: byDomain({ ...dynType, maxElements: 64 }),
  capacity: byDomain(opaqueType('kubernetes.Quantity')),
  allowMultipleAllocations: boolType,
});

let known: Environment | undefined;

/** What selectors see: one `device`, and `cel.bind`. */
export const deviceEnvironment = (): Environment => (known ??= environment({ variables: { device: deviceType }, types: [deviceType], libraries: { bindings: true } }));

function checkExpression(expression: string, at: FieldPath): void {
  if (Buffer.byteLength(expression) > maxExpressionBytes) return at.tooLong('', maxExpressionBytes);
  const { program, failure } = compile(expression, deviceEnvironment());
  if (failure) return at.invalid(expression, `compilation failed: ${failure.text}`);
  const { kind } = program.resultType;
  if (kind !== 'bool' && kind !== 'dyn') return at.invalid(expression, `must evaluate to bool or the unknown type, not ${formatType(program.resultType)}`);
  if (program.estimateCost().max > maxCost) at.forbidden('too complex, exceeds cost limit');
}

/** `isStored`: the expressions were accepted before and are not compiled again. */
export function checkSelectors(selectors: readonly DeviceSelector[] | undefined, { at, isStored = false }: { at: FieldPath; isStored?: boolean }): void {
  checkItems(selectors, { at, max: maxSelectors }, ({ cel }, item) => {
    if (!cel) item.child('cel').required();
    else if (!isStored) checkExpression(cel.expression ?? '', item.child('cel').child('expression'));
  });
}
