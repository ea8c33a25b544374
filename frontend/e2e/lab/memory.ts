// What a process and its folder hold, searched for words.
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** A word as bytes, under the name by which it is reported. */
export type Words = Record<string, Buffer>;

/** Names of the words that stand in the readable memory of a running process (man 5 proc, maps and mem). */
export function foundInMemory(pid: number, words: Words): string[] {
  const found = new Set<string>();
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const area = /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+ *(\[v.*\])?/.exec(line);
      if (!area || area[3]) continue; // the kernel's own pages hold nothing of a process
      search(memory, BigInt(`0x${area[1]}`), BigInt(`0x${area[2]}`), words, found);
    }
  } finally {
    closeSync(memory);
  }
  return [...found].sort();
}

const piece = 4 << 20;

/** Searches one area, piece by piece, with an overlap that no word is cut by. */
function search(memory: number, from: bigint, to: bigint, words: Words, found: Set<string>): void {
  const overlap = Math.max(...Object.values(words).map((word) => word.length));
  const buffer = Buffer.alloc(piece + overlap);
  let kept = 0;
  for (let at = from; at < to; ) {
    const wanted = Math.min(Number(to - at), piece);
    let got: number;
    try {
      got = readSync(memory, buffer, kept, wanted, at);
    } catch {
      return; // unmapped since the list was read, or not backed by anything
    }
    if (got === 0) return;
    const held = buffer.subarray(0, kept + got);
    for (const [name, word] of Object.entries(words)) if (held.includes(word)) found.add(name);
    kept = Math.min(overlap, held.length);
    held.copyWithin(0, held.length - kept);
    at += BigInt(got);
  }
}

/** Names of the words that stand in the files of a folder, at any depth, or in their names. */
export function foundInFolder(dir: string, words: Words): string[] {
  const found = new Set<string>();
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    const content = entry.isFile()
      ? readFileSync(join(entry.parentPath, entry.name))
      : Buffer.alloc(0);
    for (const [name, word] of Object.entries(words))
      if (content.includes(word) || Buffer.from(entry.name).includes(word)) found.add(name);
  }
  return [...found].sort();
}
