import { CelError, PatternError, compileRegex, search } from '@orrery/cel';

/** Why a text is no regular expression, in Go's words; undefined: it is one. */
export function patternProblem(pattern: string): string | undefined {
  try {
    compileRegex(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
}

/**
 * Does the pattern of a schema match anywhere in a text? In time linear to the text, as whoever writes the object may have
 * written the schema too. What is no pattern (another server let it in) matches nothing.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  try {
    return search(pattern, text);
  } catch (error) {
    if (error instanceof CelError) return false;
    throw error;
  }
}
