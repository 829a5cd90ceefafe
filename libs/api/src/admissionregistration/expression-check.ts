import type { CelType } from '@orrery/cel';
import { dynType } from '@orrery/cel';
import type { Variable } from '../../gen/types.ts';
import type { FieldPath } from '../validation/field-path.ts';
import { type ExpressionSort, compileExpression, isCelIdentifier } from './expressions.ts';

interface Visible {
  readonly hasParams: boolean;
  readonly hasVariables: boolean;
  readonly hasPatchTypes: boolean;
}

/** Validates the expressions of one policy in order: each variable is visible to what comes after it. */
export class ExpressionCheck {
  private readonly visible: Visible;
  private readonly known: Record<string, CelType> = {};

  constructor(visible: Visible) {
    this.visible = visible;
  }

  /** Reports what is wrong with `source` at the field that holds it. */
  compile(sort: ExpressionSort, source: string, at: FieldPath): CelType {
    const { hasVariables, hasParams, hasPatchTypes } = this.visible;
    const scope = { hasParams, hasPatchTypes, ...(hasVariables ? { variables: { ...this.known } } : {}) };
    const { program, problem } = compileExpression(sort, source, scope);
    if (problem !== undefined) at.invalid(source, problem);
    return program?.resultType ?? dynType;
  }

  variables(variables: readonly Variable[] | undefined, at: FieldPath): void {
    for (const [i, { name = '', expression = '' }] of (variables ?? []).entries()) {
      const path = at.at(i);
      if (!name.trim()) path.child('name').required('name is not specified');
      else if (!isCelIdentifier(name)) path.child('name').invalid(name, 'name is not a valid CEL identifier');
      if (!expression.trim()) path.child('expression').required('expression is not specified');
      else this.known[name] = this.compile('variable', expression, path.child('expression'));
    }
  }
}
