// The lab's sound card: what comes out of the speaker, and a voice into the
// microphone.
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Lab } from './lab.js';
import type { Started } from './processes.js';

const run = promisify(execFile);

/** Records a source for a while and returns the loudest 100 ms as RMS, full scale = 1. */
export async function loudest(lab: Lab, source: string, milliseconds: number): Promise<number> {
  const rate = 48_000;
  const recorder = spawn(
    'parec',
    ['-d', source, '--format=s16le', `--rate=${rate}`, '--channels=1', '--latency-msec=20'],
    {
      env: lab.env,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const wanted = Math.floor((rate * 2 * milliseconds) / 1000);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of recorder.stdout) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= wanted) break;
  }
  recorder.kill('SIGKILL');
  const sound = Buffer.concat(chunks);
  let best = 0;
  const window = rate / 10;
  for (let start = 0; (start + window) * 2 <= sound.length; start += window) {
    let sum = 0;
    for (let i = 0; i < window; i++) sum += (sound.readInt16LE((start + i) * 2) / 32768) ** 2;
    best = Math.max(best, Math.sqrt(sum / window));
  }
  return best;
}

/** Speaks into the lab's microphone until stopped. */
export async function speak(lab: Lab): Promise<Started> {
  const file = join(lab.dir, 'speech.wav');
  await run('espeak-ng', [
    '-w',
    file,
    '-a',
    '180',
    'Hello from the porch. The kettle is on, and there is cake for everybody who comes in.',
  ]);
  return lab.processes.start('speech', 'sh', [
    '-c',
    `while :; do paplay -d porch_microphone '${file}' || exit 1; done`,
  ]);
}
