import type { Source } from './source';

const width = 640;
const height = 360;

/** A picture that moves and says what time it is, so that a look at it tells whether it is alive. */
function picture(): MediaStreamTrack {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { alpha: false })!;
  context.font = '600 28px system-ui, sans-serif'; // once: it is parsed each time
  const draw = () => {
    const now = Date.now();
    const turn = (now % 4000) / 4000;
    const sky = context.createLinearGradient(0, 0, 0, height);
    sky.addColorStop(0, `hsl(${turn * 360} 45% 32%)`);
    sky.addColorStop(1, `hsl(${turn * 360 + 50} 60% 14%)`);
    context.fillStyle = sky;
    context.fillRect(0, 0, width, height);
    context.fillStyle = '#f5a524';
    context.beginPath();
    context.arc(
      width / 2 + Math.cos(turn * 2 * Math.PI) * 190,
      height / 2 + Math.sin(turn * 4 * Math.PI) * 90,
      46,
      0,
      2 * Math.PI,
    );
    context.fill();
    context.fillStyle = '#fff';
    context.fillText(new Date(now).toISOString().slice(11, 23), 24, height - 28);
  };
  draw();
  const timer = setInterval(draw, 1000 / 30);
  const track = canvas.captureStream(30).getVideoTracks()[0]!;
  const stop = track.stop.bind(track);
  track.stop = () => {
    clearInterval(timer);
    stop();
  };
  return track;
}

/** A quiet tone of 440 Hz. */
function tone(): MediaStreamTrack {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 440 });
  const volume = new GainNode(context, { gain: 0.1 });
  const out = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(volume).connect(out);
  oscillator.start();
  const track = out.stream.getAudioTracks()[0]!;
  const stop = track.stop.bind(track);
  track.stop = () => {
    void context.close();
    stop();
  };
  return track;
}

/** Stands in for a camera and a microphone where there are none: PORCH_CAPTURE=synthetic. */
export const synthetic: Source = {
  async open({ audio, video }) {
    return new MediaStream([...(audio ? [tone()] : []), ...(video ? [picture()] : [])]);
  },
  async devices() {
    return {
      cameras: [{ id: 'synthetic-picture', name: 'Synthetic picture' }],
      microphones: [{ id: 'synthetic-tone', name: 'Synthetic tone' }],
      speakers: [],
    };
  },
  watch: () => () => {},
};
