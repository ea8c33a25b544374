import { mount, unmount } from 'svelte';
import type Icon from '$src/ui/Icon.svelte';
import type { Call } from '../model/call.svelte';
import FloatingRoom from './FloatingRoom.svelte';

/** Document Picture-in-Picture (WICG), which TypeScript does not know yet. */
declare global {
  interface Window {
    documentPictureInPicture?: {
      requestWindow(options: { width: number; height: number }): Promise<Window>;
    };
  }
}

const [width, height] = [340, 240];

/**
 * Shows whoever is in front in a small window above all others: with controls where the browser has such windows, else the
 * picture alone. To be called from a press. onclosed is called once, when it has gone by whatever way; the returned function
 * closes it. Rejects if there is no picture within five seconds, or when signal says that it is not wanted any longer.
 */
export async function float(
  call: Call,
  icon: typeof Icon,
  onleave: () => void,
  onclosed: () => void,
  signal: AbortSignal,
): Promise<() => void> {
  const pages = window.documentPictureInPicture;
  return pages
    ? page(call, icon, onleave, onclosed, signal, pages)
    : picture(call, onclosed, signal);
}

async function page(
  call: Call,
  icon: typeof Icon,
  onleave: () => void,
  onclosed: () => void,
  signal: AbortSignal,
  pages: NonNullable<Window['documentPictureInPicture']>,
): Promise<() => void> {
  const room = await pages.requestWindow({ width, height });
  if (signal.aborted) room.close();
  signal.throwIfAborted();
  const { document } = room;
  const { documentElement: root, title } = window.document;
  document.documentElement.lang = root.lang;
  document.documentElement.dir = root.dir;
  document.title = title;
  for (const sheet of window.document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')) {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = sheet.href;
    document.head.append(link);
  }
  const close = () => room.close();
  const drawn = mount(FloatingRoom, {
    target: document.body,
    props: { call, onleave, Icon: icon },
  });
  room.addEventListener(
    'pagehide',
    () => {
      void unmount(drawn);
      onclosed();
    },
    { once: true },
  );
  return close;
}

/** How long a press is good for, in milliseconds. */
const patience = 5000;

async function picture(call: Call, onclosed: () => void, signal: AbortSignal): Promise<() => void> {
  signal.throwIfAborted();
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  const begun = new Promise((done, failed) => {
    video.onloadedmetadata = done;
    setTimeout(failed, patience);
    signal.addEventListener('abort', failed);
  });
  const stop = $effect.root(() => {
    $effect(() => {
      const { front } = call;
      const track = front && call.engine.trackOf?.(front.picture);
      if (!track) return; // the last one stays
      video.srcObject = new MediaStream([track]);
      video.play().catch(() => {});
      call.seen.float(front.id, height);
    });
  });
  const end = () => {
    stop();
    call.seen.float();
    video.srcObject = null;
    onclosed();
  };
  try {
    await begun;
    await video.requestPictureInPicture();
  } catch (error) {
    end();
    throw error;
  }
  video.addEventListener('leavepictureinpicture', end, { once: true });
  return () => {
    if (document.pictureInPictureElement === video) void document.exitPictureInPicture();
  };
}
