import type { Bytes } from '$src/transport/bytes';

// The frames in which files travel; backend/call/files/wire.go has the same.

/** How many bytes of a file one frame carries at most. */
const maxPart = 16 * 1024;
const head = 6;

/** Why bytes come no more. */
export const why = { cancelled: 1, stopped: 2, over: 3, refused: 4, slow: 5, room: 6 } as const;

export type Frame =
  | { kind: 'want'; line: number; from: number; to: number }
  | { kind: 'part'; line: number; tried: number; offset: number; content: Bytes }
  | { kind: 'stop'; line: number; tried: number; why: number };

/** Reads a frame of the host's; undefined for what is none, or is of a later kind. */
export function readFrame(bytes: Bytes): Frame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length <= head) return undefined;
  const tried = view.getUint8(1);
  const line = view.getUint32(2);
  const left = bytes.length - head;
  switch (view.getUint8(0)) {
    case 1:
      return left === 8
        ? { kind: 'want', line, from: view.getUint32(head), to: view.getUint32(head + 4) }
        : undefined;
    case 2:
      return left > 4
        ? {
            kind: 'part',
            line,
            tried,
            offset: view.getUint32(head),
            content: bytes.subarray(head + 4),
          }
        : undefined;
    case 4:
      return left === 1 ? { kind: 'stop', line, tried, why: view.getUint8(head) } : undefined;
  }
  return undefined;
}

function frame(kind: number, line: number, size: number, tried = 0): [Bytes, DataView] {
  const bytes = new Uint8Array(head + size);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kind);
  view.setUint8(1, tried);
  view.setUint32(2, line);
  return [bytes, view];
}

/** The frames that carry some bytes of a file. */
export function* parts(line: number, offset: number, content: Bytes): Generator<Bytes> {
  for (let at = 0; at < content.length; at += maxPart) {
    const piece = content.subarray(at, at + maxPart);
    const [bytes, view] = frame(2, line, 4 + piece.length);
    view.setUint32(head, offset + at);
    bytes.set(piece, head + 4);
    yield bytes;
  }
}

/** Says how many bytes have been read. */
export function got(line: number, tried: number, count: number): Bytes {
  const [bytes, view] = frame(3, line, 4, tried);
  view.setUint32(head, count);
  return bytes;
}

export function stop(line: number, reason: number): Bytes {
  const [bytes, view] = frame(4, line, 1);
  view.setUint8(head, reason);
  return bytes;
}

/** Whether the first bytes are those of a picture that a browser may draw: none of these can do anything. */
export function isPicture(first: Bytes): boolean {
  const text = String.fromCharCode(...first.subarray(0, 12));
  return (
    text.startsWith('\x89PNG\r\n\x1a\n') ||
    text.startsWith('\xff\xd8\xff') ||
    (text.startsWith('RIFF') && text.endsWith('WEBP')) ||
    /^GIF8[79]a/.test(text)
  );
}
