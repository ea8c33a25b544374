// What ffmpeg says of a recording, and a camera that flashes when its microphone beeps.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';

export interface Track {
  index: number;
  codec: string;
  title: string;
  width: number;
  height: number;
  /** Of the first and the last block, in seconds. */
  first: number;
  last: number;
  blocks: number;
}

const run = (program: string, args: string[]) =>
  execFileSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** The tracks of a file, and how long it is, in seconds; 0 for a file that does not say so. */
export function tracksOf(file: string): { tracks: Track[]; duration: number } {
  const found = JSON.parse(
    run('ffprobe', [
      '-v',
      'error',
      '-show_streams',
      '-show_format',
      '-show_packets',
      '-of',
      'json',
      file,
    ]),
  ) as {
    streams: {
      index: number;
      codec_name: string;
      width?: number;
      height?: number;
      tags?: { title?: string };
    }[];
    packets: { stream_index: number; pts_time: string }[];
    format: { duration?: string };
  };
  return {
    duration: Number(found.format.duration ?? 0),
    tracks: found.streams.map(({ index, codec_name, width = 0, height = 0, tags }) => {
      const times = found.packets
        .filter(({ stream_index }) => stream_index === index)
        .map(({ pts_time }) => Number(pts_time));
      return {
        index,
        codec: codec_name,
        title: tags?.title ?? '',
        width,
        height,
        first: Math.min(...times),
        last: Math.max(...times),
        blocks: times.length,
      };
    }),
  };
}

/** What filters say of a track, on both outputs. */
function heardBy(file: string, track: number, kind: 'a' | 'v', filters: string): string {
  const { stdout, stderr } = spawnSync(
    'ffmpeg',
    [
      '-hide_banner',
      '-reinit_filter',
      '0',
      '-i',
      file,
      '-map',
      `0:${track}`,
      `-filter:${kind}`,
      filters,
      '-f',
      'null',
      '-',
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  return stdout + stderr;
}

/** How long after its flash each beep of a person is heard in a file, in seconds. */
export function stepsOf(file: string, sound: number, picture: number): number[] {
  const copy = '/tmp/porch-recorded.mkv'; // a name that ffmpeg's filters need no quotes for
  copyFileSync(file, copy);
  const shown = heardBy(
    copy,
    picture,
    'v',
    'scale=64:36:eval=frame,signalstats,metadata=print:file=-',
  );
  const frames = [...shown.matchAll(/pts_time:([\d.]+)[\s\S]*?YAVG=([\d.]+)/g)];
  const flashes: number[] = [];
  let bright = true;
  for (const [, at, level] of frames) {
    const now = Number(level) > 120;
    if (now && !bright) flashes.push(Number(at));
    bright = now;
  }
  const heard = heardBy(copy, sound, 'a', 'silencedetect=n=-30dB:d=0.3');
  const beeps = [...heard.matchAll(/silence_end: ([\d.]+)/g)].map(([, at]) => Number(at));
  return beeps
    .map((beep) => {
      const flash = flashes.reduce(
        (best, at) => (Math.abs(at - beep) < Math.abs(best - beep) ? at : best),
        -9,
      );
      return beep - flash;
    })
    .filter((step) => Math.abs(step) < 0.5);
}

/** Runs in a page, with nothing of what stands outside it. */
function devices(): void {
  navigator.mediaDevices.getUserMedia = async ({ audio, video } = {}) => {
    const stream = new MediaStream();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [640, 360];
    const context = canvas.getContext('2d')!;
    const sound = new AudioContext();
    const tone = new OscillatorNode(sound, { frequency: 440 });
    const gain = new GainNode(sound, { gain: 0 });
    const out = new MediaStreamAudioDestinationNode(sound);
    tone.connect(gain).connect(out);
    tone.start();
    let n = 0;
    setInterval(() => {
      const on = performance.now() % 2000 < 400;
      context.fillStyle = on ? '#fff' : '#000';
      context.fillRect(0, 0, 640, 360);
      context.fillStyle = on ? '#ccc' : '#222';
      context.fillRect((n++ * 8) % 600, 160, 40, 40);
      gain.gain.value = on ? 0.6 : 0;
    }, 40);
    if (audio) stream.addTrack(out.stream.getAudioTracks()[0]!);
    if (video) stream.addTrack(canvas.captureStream(25).getVideoTracks()[0]!);
    return stream;
  };
}

/** A script that gives a page of Chromium a camera that flashes every two seconds, and a microphone that beeps with it. */
export const flashing = `(${devices})();`;
