import type { Attachment } from '../store/types';

/** Text that a small model's context may hold; more than this is certainly too much. */
const BYTES_MAX = 1_000_000;

/** Reads text files. What is none, or too large, is told by name. */
export async function readFiles(files: Iterable<File>): Promise<{ read: Attachment[]; refused: string[] }> {
  const read: Attachment[] = [];
  const refused: string[] = [];
  for (const file of files) {
    const text = file.size <= BYTES_MAX ? textOf(await file.arrayBuffer()) : null;
    if (file.size > BYTES_MAX) refused.push(`${file.name} is larger than 1 MB, more than a small model can read at once.`);
    else if (text === null) refused.push(`${file.name} is no text. Only text files can be attached so far.`);
    else if (text.trim() === '') refused.push(`${file.name} is empty.`);
    else read.push({ name: file.name.slice(0, 200), text });
  }
  return { read, refused };
}

/** The text in a file's bytes; null where they are none. */
export function textOf(bytes: ArrayBuffer): string | null {
  const view = new Uint8Array(bytes);
  const mark = view[0] === 0xff && view[1] === 0xfe ? 'utf-16le' : view[0] === 0xfe && view[1] === 0xff ? 'utf-16be' : 'utf-8';
  try {
    const text = new TextDecoder(mark, { fatal: true }).decode(view);
    return text.includes('\0') ? null : text.replaceAll('\r\n', '\n');
  } catch {
    return null;
  }
}
