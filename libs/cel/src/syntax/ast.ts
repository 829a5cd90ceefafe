import type { CelType } from '../types.ts';
import type { CelValue } from '../values.ts';

/** `at`: offset in the source, in UTF-16 units, that messages point to. */
interface Located {
  readonly at: number;
}

export interface Literal extends Located {
  readonly kind: 'literal';
  readonly value: CelValue;
  readonly type: CelType;
}

export interface Ident extends Located {
  readonly kind: 'ident';
  readonly name: string;
}

export interface Select extends Located {
  readonly kind: 'select';
  readonly operand: Expression;
  readonly field: string;
  /** `has(operand.field)`. */
  readonly testOnly: boolean;
}

/** Operators are calls: `_+_`, `!_`, `_[_]`, `_?._`, `_?_:_`. */
export interface Call extends Located {
  readonly kind: 'call';
  readonly name: string;
  readonly target?: Expression;
  readonly args: readonly Expression[];
}

export interface ListExpression extends Located {
  readonly kind: 'list';
  readonly elements: readonly Expression[];
  /** Indexes of elements written `?x`. */
  readonly optionals: ReadonlySet<number>;
}

export interface MapEntry {
  readonly at: number;
  readonly key: Expression;
  readonly value: Expression;
  readonly isOptional: boolean;
}

export interface MapExpression extends Located {
  readonly kind: 'map';
  readonly entries: readonly MapEntry[];
}

export interface StructField {
  readonly at: number;
  readonly name: string;
  readonly value: Expression;
  readonly isOptional: boolean;
}

export interface StructExpression extends Located {
  readonly kind: 'struct';
  readonly typeName: string;
  readonly fields: readonly StructField[];
}

export type Fold = 'all' | 'exists' | 'existsOne' | 'map' | 'filter' | 'transformMap' | 'transformMapEntry';

/** A macro over a list or map. `body` is the predicate or what is made; `condition` says which members take part. */
export interface Comprehension extends Located {
  readonly kind: 'comprehension';
  readonly fold: Fold;
  readonly range: Expression;
  readonly variable: string;
  /** With two variables: index or key is `variable`, the value this. */
  readonly second?: string;
  readonly condition?: Expression;
  readonly body: Expression;
}

/** `cel.bind(variable, value, body)`; optMap and optFlatMap are made of it. */
export interface Bind extends Located {
  readonly kind: 'bind';
  readonly variable: string;
  readonly value: Expression;
  readonly body: Expression;
}

export type Expression = Literal | Ident | Select | Call | ListExpression | MapExpression | StructExpression | Comprehension | Bind;

/** Direct parts in the order in which they are written. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'select':
      return [expression.operand];
    case 'call':
      return expression.target ? [expression.target, ...expression.args] : expression.args;
    case 'list':
      return expression.elements;
    case 'map':
      return expression.entries.flatMap(({ key, value }) => [key, value]);
    case 'struct':
      return expression.fields.map(({ value }) => value);
    case 'comprehension':
      return expression.condition ? [expression.range, expression.condition, expression.body] : [expression.range, expression.body];
    case 'bind':
      return [expression.value, expression.body];
    default:
      return [];
  }
}
