/** Upstream's limits in cost units: one evaluation; all rules of one object; matchConditions of one policy or webhook; estimates for one expression and for a CRD. */
export const perCallCostLimit = 1_000_000;
export const perObjectCostLimit = 10_000_000;
export const perMatchConditionsCostLimit = 2_500_000;
export const perExpressionEstimateLimit = 10_000_000;
export const perDefinitionEstimateLimit = 100_000_000;
/** Bytes of a request: what bounds strings, lists and maps without limits of their own. */
export const maxRequestBytes = 3 * 1024 * 1024;
