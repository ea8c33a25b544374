// Ticks in a worker, where timers go on while the page is hidden.
let timer: ReturnType<typeof setInterval> | undefined;
self.onmessage = ({ data }: MessageEvent<number>) => {
  clearInterval(timer);
  timer = setInterval(() => self.postMessage(0), data);
};
