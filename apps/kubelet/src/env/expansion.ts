/**
 * Replaces `$(NAME)` by the variable's value; `$$` stands for `$`, so `$$(NAME)` is `$(NAME)` as it is. Unknown names
 * and unclosed references stay as they are.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return lookup(name) ?? whole;
  });
}
