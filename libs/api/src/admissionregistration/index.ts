export { type CompiledExpression, type ExpressionScope, type ExpressionSort, checkTypes, compileExpression } from './expressions.ts';
export { builtInObjectType, customObjectType } from './object-types.ts';
export { type CheckedKind, type KindSource, expressionWarnings } from './type-checking.ts';
