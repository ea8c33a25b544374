import type { ChatLine, GuestMessage } from '$src/transport';
import { type Bytes, randomToken } from '$src/transport/bytes';
import { maxFile } from '$src/transport/generated/signalling';
import { isolated } from '$src/ui/names';
import type { FileWay } from './fileWay';
import { got, isPicture, parts, readFrame, stop, why } from './fileWire';

/** What has just happened with a file, or why it was not offered. */
export type FileNotice = {
  kind: 'file';
  what: 'too-large' | 'empty' | 'unreadable' | 'offline';
  name: string;
};

/** Why a file did not come. */
export type Failure = 'stopped' | 'over' | 'refused' | 'slow' | 'room';

/** How it stands with a file that is received, or sent. */
export interface Transfer {
  state: 'coming' | 'saved' | 'failed' | 'sending';
  /** That have come, or were sent to the host. */
  bytes: number;
  failure?: Failure;
  /** Its name in the folder for downloads, where the app has saved it. */
  name?: string;
  /** A blob: address of the picture that it is. */
  picture?: string;
}

interface Coming {
  line: ChatLine;
  parts: Bytes[];
  bytes: number;
  /** The number of this time, which its frames bear. */
  tried: number;
  /** It is saved already and comes once more, to be seen. */
  look: boolean;
  late?: ReturnType<typeof setTimeout>;
}

export interface FilesOptions {
  /** Sends a message; false while the channel is away. */
  send: (message: GuestMessage) => boolean;
  you: () => string;
  notice: (notice: FileNotice) => void;
  way: FileWay;
}

/** How long nothing may come, in milliseconds. The host gives up before. */
const patience = 45_000;
/** Up to how many bytes a picture is shown. */
const maxShown = 12e6;
const downloaded = 60_000;

const failures: Record<number, Failure> = {
  [why.stopped]: 'stopped',
  [why.over]: 'over',
  [why.refused]: 'refused',
  [why.slow]: 'slow',
  [why.room]: 'room',
};

/** The files that people in a call send to each other. */
export class Files {
  /** The host passes files. */
  offered = $state(false);
  /** By chat line: files that are received or sent here. */
  transfers = $state.raw<ReadonlyMap<number, Transfer>>(new Map());

  readonly #options: FilesOptions;
  readonly #offering = new Map<string, File>(); // by token, until the chat line has come
  readonly #own = new Map<number, File>(); // by chat line
  readonly #coming = new Map<number, Coming>();
  #tries = 0;
  readonly #sending = new Map<number, Promise<void>>();

  constructor(options: FilesOptions) {
    this.#options = options;
    const { way } = options;
    way.onframe = (frame) => this.#frame(frame);
    way.onanew = () => {
      for (const one of this.#coming.values()) this.#begin(one);
    };
    way.onsaved = ({ line, bytes, name, fault }) => {
      if (fault) this.#fail(line, fault === 'file-refused' ? 'refused' : saving(fault));
      else if (name) this.#kept(line, name);
      else if (this.#coming.has(line)) this.#set(line, { state: 'coming', bytes });
    };
  }

  /** Offers files to everybody in the call. */
  offer(files: Iterable<File>): void {
    for (const file of [...files].slice(0, 6)) {
      const what = this.#offer(file);
      if (what) this.#options.notice({ kind: 'file', what, name: isolated(file.name) });
    }
  }

  #offer(file: File): FileNotice['what'] | undefined {
    if (file.size === 0) return 'empty'; // a folder, perhaps
    if (file.size > maxFile) return 'too-large';
    const token = randomToken();
    // Systems allow longer names than the protocol.
    const name = file.name.length > 250 ? file.name.slice(-250) : file.name || 'file';
    this.#options.way.open();
    this.#offering.set(token, file);
    if (this.#options.send({ type: 'attach', payload: { name, size: file.size, token } }))
      return undefined;
    this.#offering.delete(token);
    return 'offline';
  }

  /** Takes back what was offered here. */
  takeBack(line: number): void {
    this.#own.delete(line);
    this.#options.send({ type: 'takeBack', payload: { line } });
  }

  /** Saves the file of a line. */
  save(line: ChatLine): void {
    if (this.#coming.has(line.id)) return;
    const { way } = this.#options;
    const one: Coming = { line, parts: [], bytes: 0, tried: 0, look: false };
    this.#coming.set(line.id, one);
    this.#set(line.id, { state: 'coming', bytes: 0 });
    if (way.save) way.save(line.id);
    else this.#begin(one);
  }

  /** Gives up a file that comes. */
  cancel(line: number): void {
    this.#drop(line);
    this.#set(line);
    this.#options.send({ type: 'take', payload: { line, on: false } });
  }

  /** The host takes files, or not; the chat is as it is now. */
  greet(takes: readonly string[] | undefined, chat: readonly ChatLine[]): void {
    this.offered = takes?.includes('files') ?? false;
    for (const { id, participant, file } of chat) {
      // What was offered by this page before it was loaded anew is not there any more.
      if (participant === this.#options.you() && file && !file.over && !this.#own.has(id)) {
        if (this.offered) this.takeBack(id);
      }
    }
  }

  /** A line has come; it may be the echo of an offer. */
  lined({ id, token, participant, file }: ChatLine): void {
    const own = token && participant === this.#options.you() && this.#offering.get(token);
    if (!own || !file) return;
    this.#offering.delete(token);
    this.#own.set(id, own);
  }

  /** The file of a line can't be had any more. Whoever receives it may still get the rest. */
  over(line: number, reason: string): void {
    this.#own.delete(line);
    const one = this.#coming.get(line);
    if (one && (one.bytes === 0 || reason === 'refused' || reason === 'room'))
      this.#fail(line, reason === 'refused' || reason === 'room' ? reason : 'over');
  }

  /** The host has refused something about files. */
  refused(code: string): void {
    if (!code.startsWith('file')) return;
    for (const [line, { bytes }] of this.#coming) if (bytes === 0) this.#fail(line, 'over');
  }

  close(): void {
    for (const line of this.#coming.keys()) this.#drop(line);
    for (const { picture } of this.transfers.values()) if (picture) URL.revokeObjectURL(picture);
    this.#own.clear();
  }

  #set(line: number, transfer?: Transfer): void {
    const transfers = new Map(this.transfers);
    const before = transfers.get(line)?.picture;
    if (transfer) transfers.set(line, before ? { picture: before, ...transfer } : transfer);
    else transfers.delete(line);
    this.transfers = transfers;
  }

  #begin(one: Coming): void {
    one.parts = [];
    one.bytes = 0;
    one.tried = ++this.#tries % 256;
    this.#options.way.open();
    this.#wait(one);
    this.#options.send({ type: 'take', payload: { line: one.line.id, on: true, try: one.tried } });
  }

  #wait(one: Coming): void {
    clearTimeout(one.late);
    one.late = setTimeout(() => {
      this.#options.send({ type: 'take', payload: { line: one.line.id, on: false } });
      this.#fail(one.line.id, 'stopped');
    }, patience);
  }

  #drop(line: number): Coming | undefined {
    const one = this.#coming.get(line);
    clearTimeout(one?.late);
    this.#coming.delete(line);
    return one;
  }

  #fail(line: number, failure: Failure): void {
    const one = this.#drop(line);
    if (one && !one.look) this.#set(line, { state: 'failed', bytes: 0, failure });
  }

  #frame(bytes: Bytes): void {
    const frame = readFrame(bytes);
    switch (frame?.kind) {
      case 'want':
        this.#send(frame.line, frame.from, frame.to);
        break;
      case 'part':
        this.#part(frame.line, frame.tried, frame.offset, frame.content);
        break;
      case 'stop':
        if (this.#coming.get(frame.line)?.tried === frame.tried && frame.why !== why.cancelled)
          this.#fail(frame.line, failures[frame.why] ?? 'stopped');
        break;
    }
  }

  /** Sends what the host asks for, which is never more than it has room for. */
  #send(line: number, from: number, to: number): void {
    const before = this.#sending.get(line) ?? Promise.resolve();
    const next = before.then(async () => {
      const file = this.#own.get(line);
      if (!file) {
        this.#options.way.send(stop(line, why.stopped));
        return;
      }
      try {
        const content = new Uint8Array(await file.slice(from, to).arrayBuffer());
        if (content.length !== to - from) throw new Error('short');
        for (const part of parts(line, from, content)) this.#options.way.send(part);
        if (to < file.size) this.#set(line, { state: 'sending', bytes: to });
        else this.#set(line);
      } catch {
        // It was changed or deleted.
        this.#options.way.send(stop(line, why.stopped));
        this.takeBack(line);
        this.#set(line);
        this.#options.notice({ kind: 'file', what: 'unreadable', name: isolated(file.name) });
      }
    });
    this.#sending.set(line, next);
  }

  #part(line: number, tried: number, offset: number, content: Bytes): void {
    const one = this.#coming.get(line);
    if (one?.tried !== tried) return; // of a time that was given up
    const { size } = one.line.file!;
    if (offset !== one.bytes || offset + content.length > size) {
      this.#options.send({ type: 'take', payload: { line, on: false } });
      this.#fail(line, 'refused');
      return;
    }
    one.parts.push(content);
    one.bytes += content.length;
    this.#options.way.send(got(line, tried, one.bytes));
    if (one.bytes < size) {
      this.#wait(one);
      if (!one.look) this.#set(line, { state: 'coming', bytes: one.bytes });
    } else this.#whole(one);
  }

  /** All bytes are here: the browser saves them, as something that it neither opens nor shows. */
  #whole({ line, parts, look }: Coming): void {
    this.#drop(line.id);
    const { name, kind } = line.file!;
    const blob = new Blob(parts, { type: 'application/octet-stream' });
    const url = URL.createObjectURL(blob);
    if (!look) {
      const link = document.createElement('a');
      link.href = url;
      link.download = name;
      link.click();
    }
    const before = this.transfers.get(line.id)?.picture;
    if (kind === 'picture' && !before && blob.size <= maxShown && isPicture(parts[0]!)) {
      const kept = look ? this.transfers.get(line.id) : undefined;
      this.#set(line.id, { state: 'saved', bytes: blob.size, ...kept, picture: url });
      return;
    }
    setTimeout(() => URL.revokeObjectURL(url), downloaded);
    if (!look) this.#set(line.id, { state: 'saved', bytes: blob.size });
  }

  /** The app has saved it; a picture comes once more, to be seen. */
  #kept(line: number, name: string): void {
    const one = this.#drop(line);
    if (!one) return;
    const { size, kind } = one.line.file!;
    this.#set(line, { state: 'saved', bytes: size, name });
    if (kind !== 'picture' || size > maxShown || this.transfers.get(line)?.picture) return;
    one.look = true;
    this.#coming.set(line, one);
    this.#begin(one);
  }
}

/** What a fault of the app means for whoever saves a file. */
const saving = (fault: string): Failure =>
  fault === 'store-unavailable' || fault === 'files-full'
    ? 'room'
    : fault === 'file-gone'
      ? 'over'
      : 'stopped';
