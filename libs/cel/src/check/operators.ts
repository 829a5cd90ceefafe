import type { CelValue } from '../values.ts';
import { type Definition, library } from '../library/signature.ts';

/** The evaluator has its own way with these: they look at one side before the other, or at more than values. */
const evaluator = (): CelValue => {
  throw new Error('an operator of the evaluator was called as a function');
};

const of = (...signatures: readonly (readonly [string, string])[]): Definition[] => signatures.map(([signature, id]) => [signature, evaluator, id]);

/** Signatures of the operators that the evaluator does itself. */
export const operators = library({
  '_&&_': of(['(bool, bool) bool', 'logical_and']),
  '_||_': of(['(bool, bool) bool', 'logical_or']),
  '_?_:_': of(['(bool, A, A) A', 'conditional']),
  '_==_': of(['(A, A) bool', 'equals']),
  '_!=_': of(['(A, A) bool', 'not_equals']),
  '_[_]': of(['(list(A), int) A', 'index_list'], ['(map(A, B), A) B', 'index_map'], ['(optional(list(V)), int) optional(V)', 'optional_list_index_int'], ['(optional(map(K, V)), K) optional(V)', 'optional_map_index_value']),
  '_[?_]': of(['(list(V), int) optional(V)', 'list_optindex_optional_int'], ['(map(K, V), K) optional(V)', 'map_optindex_optional_value'], ['(optional(list(V)), int) optional(V)', 'optional_list_optindex_optional_int'], ['(optional(map(K, V)), K) optional(V)', 'optional_map_optindex_optional_value']),
});
