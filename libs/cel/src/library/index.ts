import type { Libraries } from '../environment.ts';
import { authorizersLibrary, jsonPatchLibrary } from './authorizers.ts';
import { formatsLibrary } from './formats.ts';
import { listExtension } from './list-extension.ts';
import { listsLibrary, setsLibrary } from './lists.ts';
import { networksLibrary } from './networks.ts';
import { optionalsLibrary } from './optionals.ts';
import { quantityLibrary } from './quantity.ts';
import { semverLibrary } from './semver.ts';
import { type Functions, joinLibraries } from './signature.ts';
import { standardLibrary } from './standard.ts';
import { stringsLibrary } from './strings.ts';
import { urlsLibrary } from './urls.ts';

export type { Functions, Overload } from './signature.ts';

const baseLibrary = joinLibraries(standardLibrary, stringsLibrary, listsLibrary, listExtension, setsLibrary, urlsLibrary, quantityLibrary, semverLibrary, networksLibrary, formatsLibrary, optionalsLibrary);
const made = new Map<string, Functions>();

/** All functions that expressions of an environment may call. */
export function functionsOf({ authorizer = true, jsonPatch = false }: Libraries): Functions {
  const key = `${authorizer} ${jsonPatch}`;
  let found = made.get(key);
  if (!found) made.set(key, (found = joinLibraries(baseLibrary, ...(authorizer ? [authorizersLibrary] : []), ...(jsonPatch ? [jsonPatchLibrary] : []))));
  return found;
}
