import { type Quantity, QuantityError, addQuantity, compareQuantity, parseQuantity, quantityAsNumber, quantityOf, subtractQuantity } from '@orrery/apimachinery';
import { compareOpaqueBy } from '../eval/equality.ts';
import { CelError, CelOpaque } from '../values.ts';
import { library } from './signature.ts';

const typeName = 'kubernetes.Quantity';

const wrap = (value: Quantity): CelOpaque => new CelOpaque({ typeName, value });
const of = ({ value }: CelOpaque): Quantity => value as Quantity;

function tryParse(text: string): Quantity | QuantityError {
  try {
    return parseQuantity(text);
  } catch (error) {
    if (error instanceof QuantityError) return error;
    throw error;
  }
}

function parsed(text: string): CelOpaque {
  const quantity = tryParse(text);
  if (quantity instanceof QuantityError) throw new CelError(quantity.message);
  return wrap(quantity);
}

const unit = 10n ** 9n;
const isInteger = (quantity: CelOpaque): boolean => of(quantity).nanos % unit === 0n && BigInt.asIntN(64, of(quantity).nanos / unit) === of(quantity).nanos / unit;

function asInteger(quantity: CelOpaque): bigint {
  if (!isInteger(quantity)) throw new CelError('cannot convert value to integer');
  return of(quantity).nanos / unit;
}

const order = (a: CelOpaque, b: CelOpaque): number => compareQuantity(of(a), of(b));
const sign = (quantity: CelOpaque): bigint => (of(quantity).nanos > 0n ? 1n : of(quantity).nanos < 0n ? -1n : 0n);

compareOpaqueBy(typeName, (a, b) => compareQuantity(a as Quantity, b as Quantity) === 0);

export const quantityLibrary = library({
  quantity: [[`(string) ${typeName}`, parsed]],
  isQuantity: [['(string) bool', (text: string) => !(tryParse(text) instanceof QuantityError)]],
  sign: [[`${typeName}.() int`, sign]],
  isInteger: [[`${typeName}.() bool`, isInteger]],
  asInteger: [[`${typeName}.() int`, asInteger]],
  asApproximateFloat: [[`${typeName}.() double`, (quantity: CelOpaque) => quantityAsNumber(of(quantity))]],
  isGreaterThan: [[`${typeName}.(${typeName}) bool`, (a: CelOpaque, b: CelOpaque) => order(a, b) > 0]],
  isLessThan: [[`${typeName}.(${typeName}) bool`, (a: CelOpaque, b: CelOpaque) => order(a, b) < 0]],
  compareTo: [[`${typeName}.(${typeName}) int`, (a: CelOpaque, b: CelOpaque) => BigInt(Math.sign(order(a, b)))]],
  add: [
    [`${typeName}.(${typeName}) ${typeName}`, (a: CelOpaque, b: CelOpaque) => wrap(addQuantity(of(a), of(b)))],
    [`${typeName}.(int) ${typeName}`, (a: CelOpaque, b: bigint) => wrap(addQuantity(of(a), quantityOf(b)))],
  ],
  sub: [
    [`${typeName}.(${typeName}) ${typeName}`, (a: CelOpaque, b: CelOpaque) => wrap(subtractQuantity(of(a), of(b)))],
    [`${typeName}.(int) ${typeName}`, (a: CelOpaque, b: bigint) => wrap(subtractQuantity(of(a), quantityOf(b)))],
  ],
});
