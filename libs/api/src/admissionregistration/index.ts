export { type CompiledExpression, type ExpressionScope, type ExpressionSort, checkTypes, compileExpression } from './expressions.ts';
