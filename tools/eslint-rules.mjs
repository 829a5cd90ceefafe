// The repository's own lint rules.

const functionTypes = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/**
 * Functions of at most `max` lines of their own: lines of functions nested in them count for those. A factory that
 * returns closures is as readable as its longest closure.
 */
const functionLines = {
  meta: { type: 'suggestion', schema: [{ type: 'object', properties: { max: { type: 'integer' } }, additionalProperties: false }], messages: { long: 'Function of {{lines}} lines of its own; {{max}} are allowed.' } },
  create(context) {
    const max = context.options[0]?.max ?? 70;
    const stack = [];
    const lines = (node) => node.loc.end.line - node.loc.start.line + 1;
    const enter = () => stack.push(0);
    const leave = (node) => {
      const nested = stack.pop() ?? 0;
      const own = lines(node) - nested;
      if (own > max) context.report({ node, messageId: 'long', data: { lines: own, max } });
      if (stack.length) stack[stack.length - 1] += lines(node) - 1;
    };
    return Object.fromEntries([...functionTypes].flatMap((type) => [[type, enter], [`${type}:exit`, leave]]));
  },
};

export const orreryRules = { rules: { 'function-lines': functionLines } };
