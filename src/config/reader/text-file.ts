import { readFile } from 'node:fs/promises';

const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const UTF16_MARKS = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];
const REMEDY = 'save it as UTF-8';

/** A file that is no text in UTF-8; the message goes on after its name. */
export class EncodingError extends Error {
  override readonly name = 'EncodingError';
}

/** The bytes of a text in UTF-8, and whether a byte order mark stands before them. */
export interface TextFile {
  readonly text: string;
  readonly hasMark: boolean;
}

/**
 * Reads a text file.
 * @throws EncodingError if it is UTF-16 or no UTF-8 at all; else what Node says (ENOENT, …).
 */
export async function readTextFile(path: string): Promise<TextFile> {
  const bytes = await readFile(path);
  if (isUtf16(bytes)) throw new EncodingError(`is UTF-16: ${REMEDY}`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { text, hasMark: bytes.subarray(0, UTF8_MARK.length).equals(UTF8_MARK) };
  } catch {
    throw new EncodingError(`is not UTF-8 (Latin-1, perhaps): ${REMEDY}`);
  }
}

/** Told by its mark, or by the zero bytes that Latin letters have in UTF-16. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second] = bytes;
  if (UTF16_MARKS.some((mark) => bytes.subarray(0, mark.length).equals(mark))) return true;
  return bytes.length >= 2 && (first === 0) !== (second === 0);
}
