import type { ErrorCode } from 'yaml';

/**
 * What YAML errors mean to an operator. The library's own sentences are not used: some quote the file, and so might
 * show a secret.
 */
const sentences: Record<ErrorCode, string> = {
  ALIAS_PROPS: 'an alias (*name) cannot have an anchor (&) or a tag (!) of its own',
  BAD_ALIAS: 'an alias (*name) must name an anchor (&name) that comes before it',
  BAD_COLLECTION_TYPE: 'this tag (!) does not fit the value: remove the tag',
  BAD_DIRECTIVE: 'a line that begins with % is not understood: remove it',
  BAD_DQ_ESCAPE:
    'this escape (\\) is not known in "double quotes": write \\\\ for a backslash, or use \'single quotes\'',
  BAD_INDENT:
    'the indentation does not fit the lines above: keys of one section begin in one column, or a ] or } is missing',
  BAD_PROP_ORDER: 'an anchor (&) or tag (!) must come before the value',
  BAD_SCALAR_START: 'a value cannot begin with this character: put the value in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'unexpected second value: check the indentation, and put values that contain ": " in quotes',
  BLOCK_IN_FLOW: 'inside { } or [ ], indented sections are not possible',
  DUPLICATE_KEY: 'this key was given before in the same section: keep one of them',
  IMPOSSIBLE: 'this is not valid YAML',
  KEY_OVER_1024_CHARS: 'a key is limited to 1024 characters: is a quote or a colon missing?',
  MISSING_CHAR:
    'a character is missing here: look for an unclosed quote, { or [, or for a missing comma or ": "',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line and be followed by ": " (colon, space)',
  MULTIPLE_ANCHORS: 'a value can have one anchor (&) only',
  MULTIPLE_DOCS: 'the file must hold one document: remove what begins at this ---',
  MULTIPLE_TAGS: 'a value can have one tag (!) only',
  NON_STRING_KEY: 'a key must be plain text',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply',
  TAB_AS_INDENT: 'tabs cannot indent in YAML: use spaces',
  TAG_RESOLVE_FAILED: 'this tag (!) is not known, or does not fit its value: remove the tag',
  UNEXPECTED_TOKEN: 'this is not expected here: check the indentation, quotes and brackets',
};

/** Says what is wrong at an offset of a text that is no good YAML. */
export function syntaxMessage(code: ErrorCode, text: string, offset: number): string {
  if (text.startsWith('${', offset - 1)) {
    return 'inside { } or [ ], a reference to a variable must be in quotes: "${VARIABLE}"; or write the section in lines';
  }
  return sentences[code];
}
