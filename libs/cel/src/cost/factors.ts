/** cel-go's: what it takes to go over a character of a text, and over one of a pattern. */
export const textFactor = 0.1;
export const patternFactor = 0.25;
export const listCost = 10;
export const mapCost = 30;
export const structCost = 40;
/** Kubernetes': two checks are all that an evaluation has room for. */
export const checkCost = 350_000;
/** Kubernetes': half a requirement of a selector per character, a list and a struct each. */
export const requirementFactor = 0.5;
export const requirementCost = listCost + structCost;
/** The longest pattern of a named format. */
export const maxFormatPattern = 128;
